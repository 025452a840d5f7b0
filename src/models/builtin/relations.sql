{#- Relations: made, renamed, looked at. What a build does by itself it asks of these too, so that a project's own stand. -#}
{% macro postgres__create_schema(relation) -%}
    {%- call statement('create_schema') -%}create schema if not exists {{ relation.without_identifier().include(database=False) }}{%- endcall -%}
{%- endmacro %}
{% macro postgres__drop_schema(relation) -%}
    {%- call statement('drop_schema') -%}drop schema if exists {{ relation.without_identifier().include(database=False) }}{%- endcall -%}
{%- endmacro %}

{#- Nothing goes along with a relation: what hangs on it is written down, and made again when the build is done. -#}
{% macro default__drop_relation(relation) -%}{%- do adapter.drop_relation(relation) -%}{%- endmacro %}
{% macro drop_relation_if_exists(relation) -%}
    {%- if relation is not none -%}{%- do drop_relation(relation) -%}{%- endif -%}
{%- endmacro %}
{% macro default__rename_relation(from_relation, to_relation) -%}
    {%- call statement('rename_relation') -%}
        alter table {{ from_relation }} rename to {{ adapter.quote_as_configured(to_relation.identifier, 'identifier') }}
    {%- endcall -%}
{%- endmacro %}
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
    {%- if room < 0 -%}
        {{ exceptions.raise_compiler_error('the suffix ' ~ suffix ~ ' alone is longer than a name may be') }}
    {%- endif -%}
    {{ return(base_relation.incorporate(path={"identifier": base_relation.identifier[:room] ~ suffix})) }}
{% endmacro %}
{% macro default__make_intermediate_relation(base_relation, suffix) %}
    {{ return(default__make_temp_relation(base_relation, suffix)) }}
{% endmacro %}
{% macro postgres__make_intermediate_relation(base_relation, suffix) %}
    {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=False)) }}
{% endmacro %}
{#- The batches of one microbatch model run side by side: each has a name of its own. -#}
{% macro make_temp_relation(base_relation, suffix='__dbt_tmp') -%}
    {%- set suffix = suffix ~ '_' ~ model.batch.id if model.batch and suffix == '__dbt_tmp' else suffix -%}
    {{ return(adapter.dispatch('make_temp_relation', 'dbt')(base_relation, suffix)) }}
{%- endmacro %}
{% macro default__make_temp_relation(base_relation, suffix) %}
    {{ return(base_relation.incorporate(path={"identifier": base_relation.identifier ~ suffix})) }}
{% endmacro %}
{% macro postgres__make_temp_relation(base_relation, suffix) %}
    {%- set named = postgres__make_relation_with_suffix(base_relation, suffix, dstring=True) -%}
    {{ return(named.incorporate(path={"schema": none, "database": none})) }}
{% endmacro %}
{% macro default__make_backup_relation(base_relation, backup_relation_type, suffix) %}
    {{ return(base_relation.incorporate(path={"identifier": base_relation.identifier ~ suffix}, type=backup_relation_type)) }}
{% endmacro %}
{% macro postgres__make_backup_relation(base_relation, backup_relation_type, suffix) %}
    {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=False).incorporate(type=backup_relation_type)) }}
{% endmacro %}

{% macro default__get_create_table_as_sql(temporary, relation, sql) -%}{{ return(create_table_as(temporary, relation, sql)) }}{%- endmacro %}
{#- `create table as` takes no constraints: under a contract the table is made empty and then filled. -#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set contract = config.get('contract') -%}
    {%- set is_held_to_it = contract and contract.enforced -%}
    {{ config.get('sql_header') or '' }}
    create {{ 'temporary' if temporary else ('unlogged' if config.get('unlogged', default=false) else '') }} table {{ relation }}
    {%- if is_held_to_it %}{{- get_assert_columns_equivalent(sql) -}}{%- endif -%}
    {%- if is_held_to_it and not temporary %}
        {{ get_table_columns_and_constraints() }};
    insert into {{ relation }} ({{ adapter.dispatch('get_column_names', 'dbt')() }}) (
        {{ get_select_subquery(sql) }}
    );
    {%- else %} as (
{{ sql }}
    );
    {%- endif -%}
{%- endmacro %}
{% macro default__create_table_as(temporary, relation, sql) -%}
    {%- set contract = config.get('contract') -%}
    {{ config.get('sql_header') or '' }}
    create {{ 'temporary' if temporary else '' }} table {{ relation.include(database=not temporary, schema=not temporary) }}
    {%- if contract and contract.enforced and not temporary %}
        {{- get_assert_columns_equivalent(sql) }}
        {{ get_table_columns_and_constraints() }}
        {%- set sql = get_select_subquery(sql) -%}
    {%- endif %} as (
{{ sql }}
    );
{%- endmacro %}
{#- Handed on with its language only where that isn't SQL: most projects' own take three arguments. -#}
{% macro create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- set chosen = adapter.dispatch('create_table_as', 'dbt') -%}
    {{ return(chosen(temporary, relation, compiled_code) if language == 'sql' else chosen(temporary, relation, compiled_code, language)) }}
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

{% macro postgres__get_create_index_sql(relation, index_dict) -%}
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

{% macro postgres__get_columns_in_relation(relation) -%}
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
    {%- for column in add_columns or [] -%}{%- do changes.append('add column ' ~ column.quoted ~ ' ' ~ column.expanded_data_type) -%}{%- endfor -%}
    {%- for column in remove_columns or [] -%}{%- do changes.append('drop column ' ~ column.quoted) -%}{%- endfor -%}
    {%- if changes -%}{%- do run_query('alter ' ~ relation.type ~ ' ' ~ relation.render() ~ ' ' ~ changes | join(', ')) -%}{%- endif -%}
{%- endmacro %}
{% macro default__create_columns(relation, columns) -%}
    {%- for column in columns -%}
        {%- call statement() -%}alter table {{ relation.render() }} add column {{ adapter.quote(column.name) }} {{ column.expanded_data_type }}{%- endcall -%}
    {%- endfor -%}
{%- endmacro %}

{#- Queries wrapped, and asked how fresh they are. -#}
{% macro default__validate_sql(sql) %}{{ return(run_query('explain ' ~ sql)) }}{% endmacro %}
{#- A limit behind the query, on a line of its own because a comment may end it. -#}
{% macro get_limit_subquery_sql(sql, limit) -%}{{ return(adapter.dispatch('get_limit_sql', 'dbt')(sql, limit)) }}{%- endmacro %}
{% macro default__get_limit_sql(sql, limit) -%}
{{ sql }}
{{ 'limit ' ~ limit if limit is not none else '' }}
{%- endmacro %}
{% macro get_show_sql(compiled_code, sql_header, limit) -%}
    {{ sql_header or '' }}
{{ get_limit_subquery_sql(compiled_code, limit) }}
{%- endmacro %}
{% macro default__resolve_model_name(input_model_name) -%}{{ input_model_name | string | replace('"', '\"') }}{%- endmacro %}
{% macro default__collect_freshness(source, loaded_at_field, filter) %}
    {%- call statement('collect_freshness', fetch_result=True, auto_begin=False) -%}
        select max({{ loaded_at_field }}) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at
        from {{ source }} {{ 'where ' ~ filter if filter else '' }}
    {%- endcall -%}
    {{ return(load_result('collect_freshness')) }}
{% endmacro %}
{#- The query gives one value; more rows fail in the warehouse. -#}
{% macro default__collect_freshness_custom_sql(source, loaded_at_query) %}
    {%- call statement('collect_freshness_custom_sql', fetch_result=True, auto_begin=False) -%}
        with source_query as (
{{ loaded_at_query }}
        )
        select (select * from source_query) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at
    {%- endcall -%}
    {{ return(load_result('collect_freshness_custom_sql')) }}
{% endmacro %}
