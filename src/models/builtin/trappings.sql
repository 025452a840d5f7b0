{#- What a relation is held to and wears: contracts, comments, grants. -#}
{% macro default__get_column_names() -%}
    {%- for column in model['columns'].values() -%}
        {{ adapter.quote(column.name) if column.get('quote') else column.name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
{% macro default__get_select_subquery(sql) -%}
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
    {%- set untyped, unscaled, nulls = [], [], [] -%}
    {%- for column in columns.values() -%}
        {%- if not column.get('data_type') -%}
            {%- do untyped.append(column.name) -%}
        {%- else -%}
            {%- if column.data_type.strip().lower() in ('numeric', 'decimal', 'number') -%}{%- do unscaled.append(column.name) -%}{%- endif -%}
            {%- do nulls.append(cast('null', column.data_type) ~ ' as ' ~ (adapter.quote(column.name) if column.get('quote') else column.name)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if untyped -%}{{ exceptions.column_type_missing(column_names=untyped) }}{%- endif -%}
    {%- if unscaled -%}
        {{ exceptions.warn('numeric columns without precision and scale may be rounded: ' ~ unscaled | join(', ')) }}
    {%- endif -%}
    select {{ nulls | join(', ') }}
{%- endmacro %}
{% macro default__format_column(column) -%}
    {{ return({'name': column.name, 'data_type': column.dtype, 'formatted': column.column | lower ~ ' ' ~ column.dtype}) }}
{%- endmacro %}
{% macro format_columns(columns) -%}
    {%- set formatted = [] -%}
    {%- for column in columns -%}{%- do formatted.append(adapter.dispatch('format_column', 'dbt')(column)) -%}{%- endfor -%}
    {{ return(formatted) }}
{%- endmacro %}
{#- Asks the database what the query and the promise would each give. Their order may differ. -#}
{% macro assert_columns_equivalent(sql) %}
    {%- if not model['columns'] -%}{%- do exceptions.raise_contract_error([], []) -%}{%- endif -%}
    {%- set given = format_columns(get_column_schema_from_query(sql, config.get('sql_header'))) -%}
    {%- set promised = format_columns(get_column_schema_from_query(get_empty_schema_sql(model['columns']))) -%}
    {%- set forms = {} -%}
    {%- for column in promised -%}{%- do forms.update({column['name']: column['formatted']}) -%}{%- endfor -%}
    {%- set wrong = [] -%}
    {%- for column in given if forms.get(column['name']) != column['formatted'] -%}{%- do wrong.append(column) -%}{%- endfor -%}
    {%- if wrong or given | length != promised | length -%}
        {%- do exceptions.raise_contract_error(promised, given) -%}
    {%- endif -%}
{% endmacro %}

{#- Comments. The label is one that no comment has. -#}
{% macro postgres_escape_comment(comment) -%}
    {%- set label = '$dbt_comment_literal_block$' -%}
    {%- if label in comment -%}{%- do exceptions.raise_compiler_error('a comment must not hold ' ~ label) -%}{%- endif -%}
    {{ label }}{{ comment }}{{ label }}
{%- endmacro %}
{% macro postgres__alter_relation_comment(relation, relation_comment) -%}
    comment on {{ 'materialized view' if relation.is_materialized_view else relation.type }} {{ relation }} is {{ postgres_escape_comment(relation_comment) }};
{%- endmacro %}
{% macro postgres__alter_column_comment(relation, column_dict) -%}
    {%- set there = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- for name, column in column_dict.items() if name in there -%}
        comment on column {{ relation }}.{{ adapter.quote(name) if column['quote'] else name }} is {{ postgres_escape_comment(column['description']) }};
    {%- endfor -%}
{%- endmacro %}
{#- The described columns that are there; the others are warned of. -#}
{% macro validate_doc_columns(relation, column_dict, existing_column_names) -%}
    {%- set in_lower_case = existing_column_names | map('lower') | list -%}
    {%- set found, missing = {}, [] -%}
    {%- for name, column in column_dict.items() -%}
        {%- if name in existing_column_names or (not column['quote'] and name | lower in in_lower_case) -%}
            {%- do found.update({name: column}) -%}
        {%- else -%}
            {%- do missing.append(name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if missing -%}
        {{ exceptions.warn(relation.render() ~ ' lacks columns that are described: ' ~ missing | join(', ')) }}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
{% macro default__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do run_query(alter_relation_comment(relation, model.description)) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() and model.columns -%}
        {%- set there = get_list_of_column_names(adapter.get_columns_in_relation(relation)) -%}
        {%- set comments = alter_column_comment(relation, validate_doc_columns(relation, model.columns, there)) -%}
        {%- if comments | trim -%}{%- do run_query(comments) -%}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Grants. -#}
{% macro postgres__copy_grants() %}{{ return(False) }}{% endmacro %}
{% macro default__copy_grants() %}{{ return(True) }}{% endmacro %}
{% macro default__support_multiple_grantees_per_dcl_statement() %}{{ return(True) }}{% endmacro %}
{% macro should_revoke(existing_relation, full_refresh_mode=True) %}
    {{ return(existing_relation is not none and (not full_refresh_mode or copy_grants())) }}
{% endmacro %}
{% macro postgres__get_show_grant_sql(relation) -%}
    select grantee, privilege_type from {{ relation.information_schema('role_table_grants') }}
    where grantor = current_role and grantee != current_role
      and table_schema = '{{ relation.schema }}' and table_name = '{{ relation.identifier }}'
{%- endmacro %}
{% macro default__get_grant_sql(relation, privilege, grantees) -%}grant {{ privilege }} on {{ relation.render() }} to {{ grantees | join(', ') }}{%- endmacro %}
{#- Quoted, unlike in a grant: these come from the catalog in their true case, those from people. -#}
{% macro default__get_revoke_sql(relation, privilege, grantees) -%}
    {%- set quoted = [] -%}
    {%- for grantee in grantees -%}{%- do quoted.append(adapter.quote(grantee)) -%}{%- endfor -%}
    revoke {{ privilege }} on {{ relation.render() }} from {{ quoted | join(', ') }}
{%- endmacro %}
{% macro default__get_dcl_statement_list(relation, grant_config, get_dcl_macro) %}
    {%- set statements = [] -%}
    {%- for privilege, grantees in grant_config.items() if grantees -%}
        {%- for some in ([grantees] if support_multiple_grantees_per_dcl_statement() else grantees | batch(1)) -%}
            {%- do statements.append(get_dcl_macro(relation, privilege, some)) -%}
        {%- endfor -%}
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
