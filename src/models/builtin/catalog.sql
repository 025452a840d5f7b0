{#- What the warehouse knows: schemas, relations, each column with comments and owner, and which view reads what. -#}
{% macro postgres__information_schema_name(database) -%}information_schema{%- endmacro %}
{% macro postgres__list_relations_without_caching(schema_relation) %}
    {%- call statement('list_relations_without_caching', fetch_result=True) -%}
        select current_database() as database, c.relname as name, n.nspname as schema,
            case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' else 'table' end as type
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname ilike '{{ schema_relation.schema }}' and c.relkind in ('r', 'p', 'v', 'm')
    {%- endcall -%}
    {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}
{% macro postgres__list_schemas(database) %}{{ return(run_query('select distinct nspname from pg_catalog.pg_namespace')) }}{% endmacro %}
{% macro postgres__check_schema_exists(information_schema, schema) %}
    {{ return(run_query("select count(*) from pg_catalog.pg_namespace where nspname = '" ~ schema ~ "'")) }}
{% endmacro %}
{% macro postgres__get_show_indexes_sql(relation) -%}
    select i.relname as name, m.amname as method, x.indisunique as "unique",
        array_to_string(array_agg(a.attname), ',') as column_names
    from pg_catalog.pg_index x
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    join pg_catalog.pg_am m on m.oid = i.relam
    join pg_catalog.pg_class t on t.oid = x.indrelid
    join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = any (x.indkey)
    where t.relname = '{{ relation.identifier }}' and n.nspname = '{{ relation.schema }}' and t.relkind in ('r', 'm')
    group by 1, 2, 3 order by 1, 2, 3
{%- endmacro %}

{#- Each column, as docs show it. -#}
{% macro postgres__get_catalog(information_schema, schemas) -%}
    {%- set whole = [] -%}
    {%- for schema in schemas -%}{%- do whole.append({'schema': schema}) -%}{%- endfor -%}
    {{ return(postgres__get_catalog_relations(information_schema, whole)) }}
{%- endmacro %}

{#- A relation without identifier asks for its whole schema. -#}
{% macro postgres__get_catalog_relations(information_schema, relations) -%}
    {%- set wanted = [] -%}
    {%- for relation in relations -%}
        {%- set schema_fits = "upper(n.nspname) = upper('" ~ relation.schema ~ "')" -%}
        {%- set name_fits = " and upper(c.relname) = upper('" ~ relation.identifier ~ "')" if relation.identifier else '' -%}
        {%- do wanted.append('(' ~ schema_fits ~ name_fits ~ ')') -%}
    {%- endfor -%}
    {%- call statement('catalog', fetch_result=true) -%}
        select '{{ information_schema.database }}' as table_database, n.nspname as table_schema, c.relname as table_name,
            case c.relkind when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' else 'BASE TABLE' end as table_type,
            obj_description(c.oid, 'pg_class') as table_comment,
            a.attname as column_name, a.attnum as column_index,
            format_type(a.atttypid, a.atttypmod) as column_type,
            col_description(c.oid, a.attnum) as column_comment,
            pg_get_userbyid(c.relowner) as table_owner
        from pg_catalog.pg_namespace n
        join pg_catalog.pg_class c on c.relnamespace = n.oid
        join pg_catalog.pg_attribute a on a.attrelid = c.oid
        where ({{ wanted | join(' or ') or 'false' }})
            and c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relpersistence <> 't'
            and a.attnum > 0 and not a.attisdropped
        order by n.nspname, c.relname, a.attnum
    {%- endcall -%}
    {{ return(load_result('catalog').table) }}
{%- endmacro %}

{#- A view hangs on what its rule, always called _RETURN, names. -#}
{% macro postgres__get_relations() -%}
    {%- call statement('relations', fetch_result=true) -%}
        select distinct s.nspname as dependent_schema, v.relname as dependent_name,
            t.nspname as referenced_schema, r.relname as referenced_name
        from pg_catalog.pg_rewrite w
        join pg_catalog.pg_class v on v.oid = w.ev_class
        join pg_catalog.pg_namespace s on s.oid = v.relnamespace
        join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
            and d.refclassid = 'pg_class'::regclass and d.refobjid <> w.ev_class
        join pg_catalog.pg_class r on r.oid = d.refobjid
        join pg_catalog.pg_namespace t on t.oid = r.relnamespace
        where w.rulename = '_RETURN' and t.nspname <> 'information_schema' and t.nspname not like 'pg\_%'
        order by 1, 2, 3, 4
    {%- endcall -%}
    {{ return(load_result('relations').table) }}
{%- endmacro %}
{% macro postgres_get_relations() %}{{ return(postgres__get_relations()) }}{% endmacro %}
