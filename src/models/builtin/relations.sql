{#- Relations: made, renamed, looked at. What a build does by itself it asks of these too, so that a project's own stand. -#}
{% macro default__create_schema(relation) -%}
    {%- call statement('create_schema') -%}create schema if not exists {{ relation.without_identifier().include(database=False) }}{%- endcall -%}
{%- endmacro %}
{% macro default__drop_schema(relation) -%}
    {%- call statement('drop_schema') -%}drop schema if exists {{ relation.without_identifier().include(database=False) }}{%- endcall -%}
{%- endmacro %}

{#- Nothing goes along with a relation: what hangs on it is written down, and made again when the build is done. -#}
{% macro default__drop_relation(relation) -%}{%- do adapter.drop_relation(relation) -%}{%- endmacro %}
{% macro drop_relation_if_exists(relation) -%}
    {%- if relation is not none -%}{%- do drop_relation(relation) -%}{%- endif -%}
{%- endmacro %}
{% macro default__get_drop_sql(relation) -%}
    drop {{ 'materialized view' if relation.is_materialized_view else relation.type }} if exists {{ relation }}
{%- endmacro %}
{% macro default__rename_relation(from_relation, to_relation) -%}
    {%- call statement('rename_relation') -%}
        alter table {{ from_relation }} rename to {{ adapter.quote_as_configured(to_relation.identifier, 'identifier') }}
    {%- endcall -%}
{%- endmacro %}
{% macro default__get_rename_sql(relation, new_name) -%}alter {{ relation.type | replace('_', ' ') }} {{ relation }} rename to {{ adapter.quote(new_name) }}{%- endmacro %}
{% macro default__truncate_relation(relation) -%}
    {%- call statement('truncate_relation') -%}truncate table {{ relation.render() }}{%- endcall -%}
{%- endmacro %}

{% macro load_cached_relation(relation) %}
    {{ return(adapter.get_relation(database=relation.database, schema=relation.schema, identifier=relation.identifier)) }}
{% endmacro %}
{% macro load_relation(relation) %}{{ return(load_cached_relation(relation)) }}{% endmacro %}
{% macro default__get_or_create_relation(database, schema, identifier, type) %}
    {%- set there = adapter.get_relation(database=database, schema=schema, identifier=identifier) -%}
    {%- if there -%}{{ return([true, there]) }}{%- endif -%}
    {{ return([false, api.Relation.create(database=database, schema=schema, identifier=identifier, type=type)]) }}
{% endmacro %}

{#- A name of its own in PostgreSQL's 63 bytes, by a suffix. -#}
{% macro postgres__make_relation_with_suffix(base_relation, suffix, dstring) %}
    {%- set suffix = suffix ~ modules.datetime.datetime.now().strftime("%H%M%S%f") if dstring else suffix -%}
    {%- set room = base_relation.relation_max_name_length() - suffix | length -%}
    {{ return(base_relation.incorporate(path={"identifier": base_relation.identifier[:room] ~ suffix})) }}
{% endmacro %}
{% macro default__make_intermediate_relation(base_relation, suffix) %}
    {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=False)) }}
{% endmacro %}
{% macro default__make_temp_relation(base_relation, suffix) %}
    {%- set named = postgres__make_relation_with_suffix(base_relation, suffix, dstring=True) -%}
    {{ return(named.incorporate(path={"schema": none, "database": none})) }}
{% endmacro %}
{% macro default__make_backup_relation(base_relation, backup_relation_type, suffix) %}
    {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=False).incorporate(type=backup_relation_type)) }}
{% endmacro %}

{% macro default__get_create_table_as_sql(temporary, relation, sql) -%}{{ return(create_table_as(temporary, relation, sql)) }}{%- endmacro %}
{% macro default__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {{ config.get('sql_header', '') or '' }}
    create {{ 'temporary' if temporary else ('unlogged' if config.get('unlogged', default=false) else '') }} table {{ relation }}
    {%- set contract = config.get('contract') -%}
    {%- if contract and contract.enforced %}
        {{- get_assert_columns_equivalent(compiled_code) -}}
    {%- endif -%}
    {%- if contract and contract.enforced and not temporary %}
        {{ get_table_columns_and_constraints() }};
    insert into {{ relation }} ({{ adapter.dispatch('get_column_names', 'dbt')() }}) (
        {{ get_select_subquery(compiled_code) }}
    );
    {%- else %} as (
{{ compiled_code }}
    );
    {%- endif -%}
{%- endmacro %}
{% macro default__get_create_view_as_sql(relation, sql) -%}{{ return(create_view_as(relation, sql)) }}{%- endmacro %}
{% macro default__create_view_as(relation, sql) -%}
    {{ config.get('sql_header', '') or '' }}
    create view {{ relation }}
    {%- set contract = config.get('contract') -%}
    {%- if contract and contract.enforced -%}{{- get_assert_columns_equivalent(sql) -}}{%- endif %} as (
{{ sql }}
    );
{%- endmacro %}
{% macro default__get_create_sql(relation, sql) -%}
    {%- if relation.is_view -%}{{ get_create_view_as_sql(relation, sql) }}
    {%- elif relation.is_materialized_view -%}{{ get_create_materialized_view_as_sql(relation, sql) }}
    {%- else -%}{{ get_create_table_as_sql(False, relation, sql) }}{%- endif -%}
{%- endmacro %}
{% macro default__get_create_materialized_view_as_sql(relation, sql) -%}
    create materialized view if not exists {{ relation }} as {{ sql }};
    {% for index in config.get('indexes', []) -%}{{ get_create_index_sql(relation, index) }};{%- endfor -%}
{%- endmacro %}
{% macro default__get_refresh_materialized_view_sql(relation) -%}refresh materialized view {{ relation }}{%- endmacro %}
{% macro default__refresh_materialized_view(relation) -%}refresh materialized view {{ relation }}{%- endmacro %}
{% macro default__drop_materialized_view(relation) -%}drop materialized view if exists {{ relation }}{%- endmacro %}

{% macro default__get_create_index_sql(relation, index_dict) -%}
    {%- set index = adapter.parse_index(index_dict) -%}
    create {{ 'unique' if index.unique else '' }} index if not exists "{{ index.render(relation) }}" on {{ relation }}
    {{ 'using ' ~ index.type if index.type else '' }} ({{ index.columns | join(', ') }})
{%- endmacro %}
{% macro default__create_indexes(relation) -%}
    {%- for index in config.get('indexes', default=[]) -%}
        {%- set sql = get_create_index_sql(relation, index) -%}
        {%- if sql -%}{%- call statement('create_index') -%}{{ sql }}{%- endcall -%}{%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro default__get_columns_in_relation(relation) -%}
    {%- call statement('get_columns_in_relation', fetch_result=True) -%}
        select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale
        from {{ relation.information_schema('columns') }}
        where table_name = '{{ relation.identifier | replace("'", "''") }}'
        {%- if relation.schema %} and table_schema = '{{ relation.schema | replace("'", "''") }}'{%- endif %}
        order by ordinal_position
    {%- endcall -%}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}
{% macro sql_convert_columns_in_relation(table) -%}
    {%- set columns = [] -%}
    {%- for row in table -%}{%- do columns.append(api.Column(*row)) -%}{%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
    {{ select_sql_header or '' }}
    select * from (
{{ select_sql }}
    ) as __dbt_sbq where false limit 0
{%- endmacro %}
{% macro default__get_columns_in_query(select_sql) %}
    {%- call statement('get_columns_in_query', fetch_result=True, auto_begin=False) -%}{{ get_empty_subquery_sql(select_sql) }}{%- endcall -%}
    {{ return(load_result('get_columns_in_query').table.columns | map(attribute='name') | list) }}
{% endmacro %}
{% macro get_column_schema_from_query(select_sql, select_sql_header=none) -%}
    {{ return(adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql, select_sql_header))) }}
{%- endmacro %}
{% macro get_list_of_column_names(columns) -%}{{ return(columns | map(attribute='name') | list) }}{%- endmacro %}

{% macro default__alter_column_type(relation, column_name, new_column_type) -%}
    {%- call statement('alter_column_type') -%}
        alter table {{ relation.render() }} alter column {{ adapter.quote(column_name) }} type {{ new_column_type }}
    {%- endcall -%}
{%- endmacro %}
{% macro default__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
    {%- set changes = [] -%}
    {%- for column in add_columns or [] -%}{%- do changes.append('add column ' ~ column.quoted ~ ' ' ~ column.data_type) -%}{%- endfor -%}
    {%- for column in remove_columns or [] -%}{%- do changes.append('drop column ' ~ column.quoted) -%}{%- endfor -%}
    {%- if changes -%}{%- do run_query('alter table ' ~ relation.render() ~ ' ' ~ changes | join(', ')) -%}{%- endif -%}
{%- endmacro %}
{% macro default__create_columns(relation, columns) -%}
    {%- for column in columns -%}
        {%- call statement() -%}alter table {{ relation.render() }} add column {{ adapter.quote(column.name) }} {{ column.data_type }}{%- endcall -%}
    {%- endfor -%}
{%- endmacro %}

{#- Contracts. -#}
{% macro default__get_column_names() -%}
    {%- for column in model['columns'].values() -%}
        {{ adapter.quote(column.name) if column.get('quote') else column.name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
{% macro get_select_subquery(sql) -%}
    select {{ adapter.dispatch('get_column_names', 'dbt')() }} from (
{{ sql }}
    ) as model_subq
{%- endmacro %}
{% macro default__get_table_columns_and_constraints() -%}{{ return(table_columns_and_constraints()) }}{%- endmacro %}
{% macro table_columns_and_constraints() -%}
    {%- set parts = adapter.render_raw_columns_constraints(raw_columns=model['columns']) + adapter.render_raw_model_constraints(raw_constraints=model['constraints']) -%}
    ({{ parts | join(', ') }})
{%- endmacro %}
{% macro default__get_assert_columns_equivalent(sql) -%}{{ return(assert_columns_equivalent(sql)) }}{%- endmacro %}
{% macro default__get_empty_schema_sql(columns) -%}
    {%- set untyped = [] -%}
    select {% for column in columns.values() -%}
        {%- if not column.get('data_type') -%}{%- do untyped.append(column.name) -%}{%- endif -%}
        cast(null as {{ column.data_type }}) as {{ adapter.quote(column.name) if column.get('quote') else column.name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
    {%- if untyped -%}{{ exceptions.column_type_missing(untyped | join(', ')) }}{%- endif -%}
{%- endmacro %}
{% macro default__format_column(column) -%}
    {{ return({'name': column.name, 'data_type': column.dtype, 'formatted': column.column ~ " " ~ column.dtype}) }}
{%- endmacro %}
{% macro assert_columns_equivalent(sql) %}
    {%- set wanted = get_column_schema_from_query(get_empty_schema_sql(model['columns'])) -%}
    {%- set given = get_column_schema_from_query(sql, config.get('sql_header')) -%}
    {%- set promised, has = {}, {} -%}
    {%- for column in wanted -%}{%- do promised.update({column.name: column.dtype}) -%}{%- endfor -%}
    {%- for column in given -%}{%- do has.update({column.name: column.dtype}) -%}{%- endfor -%}
    {%- if promised != has -%}
        {%- set listed = [[], []] -%}
        {%- for column in wanted -%}{%- do listed[0].append(adapter.dispatch('format_column', 'dbt')(column)) -%}{%- endfor -%}
        {%- for column in given -%}{%- do listed[1].append(adapter.dispatch('format_column', 'dbt')(column)) -%}{%- endfor -%}
        {%- do exceptions.raise_contract_error(listed[0], listed[1]) -%}
    {%- endif -%}
{% endmacro %}

{#- Comments. The label is one that no comment has. -#}
{% macro postgres_escape_comment(comment) -%}
    {%- set label = '$dbt_comment_literal_block$' -%}
    {%- if label in comment -%}{%- do exceptions.raise_compiler_error('a comment must not hold ' ~ label) -%}{%- endif -%}
    {{ label }}{{ comment }}{{ label }}
{%- endmacro %}
{% macro default__alter_relation_comment(relation, relation_comment) -%}
    comment on {{ 'materialized view' if relation.is_materialized_view else relation.type }} {{ relation }} is {{ postgres_escape_comment(relation_comment) }};
{%- endmacro %}
{% macro default__alter_column_comment(relation, column_dict) -%}
    {%- set there = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- for name, column in column_dict.items() if name in there -%}
        comment on column {{ relation }}.{{ adapter.quote(name) if column['quote'] else name }} is {{ postgres_escape_comment(column['description']) }};
    {%- endfor -%}
{%- endmacro %}
{% macro default__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do run_query(alter_relation_comment(relation, model.description)) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() and model.columns -%}
        {%- set comments = alter_column_comment(relation, model.columns) -%}
        {%- if comments | trim -%}{%- do run_query(comments) -%}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Grants. -#}
{% macro default__copy_grants() %}{{ return(False) }}{% endmacro %}
{% macro default__support_multiple_grantees_per_dcl_statement() %}{{ return(True) }}{% endmacro %}
{% macro should_revoke(existing_relation, full_refresh_mode=True) %}
    {{ return(existing_relation is not none and (not full_refresh_mode or copy_grants())) }}
{% endmacro %}
{% macro default__get_show_grant_sql(relation) -%}
    select grantee, privilege_type from {{ relation.information_schema('role_table_grants') }}
    where grantor = current_role and grantee != current_role
      and table_schema = '{{ relation.schema }}' and table_name = '{{ relation.identifier }}'
{%- endmacro %}
{% macro default__get_grant_sql(relation, privilege, grantees) -%}grant {{ privilege }} on {{ relation.render() }} to {{ grantees | join(', ') }}{%- endmacro %}
{% macro default__get_revoke_sql(relation, privilege, grantees) -%}revoke {{ privilege }} on {{ relation.render() }} from {{ grantees | join(', ') }}{%- endmacro %}
{% macro default__get_dcl_statement_list(relation, grant_config, get_dcl_macro) %}
    {%- set statements = [] -%}
    {%- for privilege, grantees in grant_config.items() if grantees -%}
        {%- do statements.append(get_dcl_macro(relation, privilege, grantees)) -%}
    {%- endfor -%}
    {{ return(statements) }}
{% endmacro %}
{% macro default__call_dcl_statements(dcl_statement_list) -%}
    {%- call statement('grants') -%}{%- for dcl in dcl_statement_list %}{{ dcl }}; {% endfor -%}{%- endcall -%}
{%- endmacro %}
{% macro default__apply_grants(relation, grant_config, should_revoke=True) -%}
    {%- if grant_config -%}
        {%- set there = adapter.standardize_grants_dict(run_query(get_show_grant_sql(relation))) if should_revoke else {} -%}
        {%- set wanted = diff_of_two_dicts(grant_config, there) if should_revoke else grant_config -%}
        {%- set surplus = diff_of_two_dicts(there, grant_config) -%}
        {%- if wanted or surplus -%}
            {%- set revokes = get_dcl_statement_list(relation, surplus, get_revoke_sql) -%}
            {%- do call_dcl_statements(revokes + get_dcl_statement_list(relation, wanted, get_grant_sql)) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- What is there. -#}
{% macro default__information_schema_name(database) -%}information_schema{%- endmacro %}
{% macro default__list_relations_without_caching(schema_relation) %}
    {%- call statement('list_relations_without_caching', fetch_result=True) -%}
        select current_database() as database, c.relname as name, n.nspname as schema,
            case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' else 'table' end as type
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname ilike '{{ schema_relation.schema }}' and c.relkind in ('r', 'p', 'v', 'm')
    {%- endcall -%}
    {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}
{% macro default__list_schemas(database) %}{{ return(run_query('select distinct nspname from pg_catalog.pg_namespace')) }}{% endmacro %}
{% macro default__check_schema_exists(information_schema, schema) %}
    {{ return(run_query("select count(*) from pg_catalog.pg_namespace where nspname = '" ~ schema ~ "'")) }}
{% endmacro %}
{% macro default__get_show_indexes_sql(relation) -%}
    select i.relname as name, m.amname as method, x.indisunique as "unique",
        array_to_string(array_agg(a.attname), ',') as column_names
    from pg_catalog.pg_index x
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    join pg_catalog.pg_am m on m.oid = i.relam
    join pg_catalog.pg_class t on t.oid = x.indrelid
    join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = any (x.indkey)
    where t.relname = '{{ relation.identifier }}' and n.nspname = '{{ relation.schema }}'
    group by 1, 2, 3 order by 1, 2, 3
{%- endmacro %}
{% macro default__validate_sql(sql) %}{{ return(run_query('explain ' ~ sql)) }}{% endmacro %}
{% macro default__get_limit_subquery_sql(sql, limit) -%}
    select * from ({{ sql }}) as model_limit_subq limit {{ limit }}
{%- endmacro %}
{% macro default__resolve_model_name(input_model_name) -%}{{ input_model_name | string | replace('"', '\"') }}{%- endmacro %}
{% macro default__collect_freshness(source, loaded_at_field, filter) %}
    {%- call statement('collect_freshness', fetch_result=True, auto_begin=False) -%}
        select max({{ loaded_at_field }}) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at
        from {{ source }} {{ 'where ' ~ filter if filter else '' }}
    {%- endcall -%}
    {{ return(load_result('collect_freshness')) }}
{% endmacro %}
