{#- Unit tests: a model's query over rows that the test gives, beside the rows it shall give. Whether they are
    the same is judged by whoever runs this. -#}
{% materialization unit, default -%}
    {%- set query = unit_test_query(sql) -%}
    {%- call statement('main', fetch_result=true) -%}{{ query }}{%- endcall -%}
    {{ return({'relations': []}) }}
{%- endmaterialization %}

{% macro unit_test_query(sql) -%}
    {%- set sql_header = (config.get('sql_header') or '') if flags.REQUIRE_SQL_HEADER_IN_TEST_CONFIGS else '' -%}
    {%- set expected_rows = config.get('expected_rows') -%}
    {%- set compared = expected_rows[0].keys() if expected_rows | length > 0 else get_columns_in_query(sql) -%}

    {#- Names and types as the database has them, from an empty table of the query. -#}
    {%- set temp_relation = make_temp_relation(this.incorporate(type='table')) -%}
    {%- do run_query(get_create_table_as_sql(true, temp_relation, get_empty_subquery_sql(sql))) -%}
    {%- set types = {} -%}
    {%- set quoted = {} -%}
    {%- for column in adapter.get_columns_in_relation(temp_relation) -%}
        {%- do types.update({column.name | lower: column.data_type}) -%}
        {%- do quoted.update({column.name | lower: column.quoted}) -%}
    {%- endfor -%}
    {%- set compared_quoted = [] -%}
    {%- for name in compared -%}
        {%- do compared_quoted.append(quoted.get(name | lower, adapter.quote(name))) -%}
    {%- endfor -%}

    {%- set expected_sql = config.get('expected_sql') or get_expected_sql(expected_rows, types, quoted) -%}
    {%- call statement() -%}drop table {{ temp_relation }}{%- endcall -%}
    {{ return(sql_header ~ get_unit_test_sql(sql, expected_sql, compared_quoted)) }}
{%- endmacro %}

{% macro default__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {%- set names, label = expected_column_names | join(', '), adapter.quote('actual_or_expected') -%}
    with dbt_internal_unit_test_actual as (
        select {{ names }}, {{ dbt.string_literal('actual') }} as {{ label }} from (
{{ main_sql }}
        ) as actual
    ),
    dbt_internal_unit_test_expected as (
        select {{ names }}, {{ dbt.string_literal('expected') }} as {{ label }} from (
{{ expected_fixture_sql }}
        ) as expected
    )
    select * from dbt_internal_unit_test_actual
    union all
    select * from dbt_internal_unit_test_expected
{%- endmacro %}

{#- The rows given for one input. Columns that a row leaves out are null; the types are those of the
    input's relation, or of the deferred one where it isn't built. -#}
{% macro get_fixture_sql(rows, column_name_to_data_types) -%}
    {%- set quoted = {} -%}
    {%- if not column_name_to_data_types -%}
        {%- set column_name_to_data_types = {} -%}
        {%- set relation = defer_relation if defer_relation and not load_relation(this) else this -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do column_name_to_data_types.update({column.name | lower: column.data_type}) -%}
            {%- do quoted.update({column.name | lower: column.quoted}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if not column_name_to_data_types -%}
        {{ exceptions.raise_compiler_error("the columns of " ~ this ~ " cannot be told for a unit test, since it is not there: build it first, `--empty` will do") }}
    {%- endif -%}
    {{ validate_fixture_rows(rows, row_number) }}
    {%- set nulls = {} -%}
    {%- for name, type in column_name_to_data_types.items() -%}
        {%- do nulls.update({name: safe_cast('null', type) | trim}) -%}
    {%- endfor -%}
    {%- set selects = [] -%}
    {%- for row in rows or [{}] -%}
        {%- set values = nulls.copy() -%}
        {%- do values.update(format_row(row, column_name_to_data_types)) -%}
        {%- set fields = [] -%}
        {%- for name, value in values.items() -%}
            {%- do fields.append(value ~ ' as ' ~ quoted.get(name, name)) -%}
        {%- endfor -%}
        {%- do selects.append('select ' ~ fields | join(', ')) -%}
    {%- endfor -%}
    {{ selects | join('\nunion all\n') }}
    {{ 'limit 0' if not rows else '' }}
{%- endmacro %}

{#- The rows a unit test expects, in the columns it names. -#}
{% macro get_expected_sql(rows, column_name_to_data_types, column_name_to_quoted) -%}
    {%- if not rows -%}
        select * from dbt_internal_unit_test_actual limit 0
    {%- else -%}
        {%- set selects = [] -%}
        {%- for row in rows -%}
            {%- set fields = [] -%}
            {%- for name, value in format_row(row, column_name_to_data_types).items() -%}
                {%- do fields.append(value ~ ' as ' ~ column_name_to_quoted[name]) -%}
            {%- endfor -%}
            {%- do selects.append('select ' ~ fields | join(', ')) -%}
        {%- endfor -%}
        {{ selects | join('\nunion all\n') }}
    {%- endif -%}
{%- endmacro %}

{#- {column: its value as SQL, cast to the column's type}, names in lower case. -#}
{% macro format_row(row, column_name_to_data_types) -%}
    {%- set formatted = {} -%}
    {%- for given_name, value in row.items() -%}
        {%- set name = given_name | lower -%}
        {%- if name not in column_name_to_data_types -%}
            {%- set fixture = 'expected output' if model.resource_type == 'unit_test' else "'" ~ model.name ~ "'" -%}
            {{ exceptions.raise_compiler_error("there is no column '" ~ name ~ "' in " ~ fixture ~ ', of which a unit test gives rows; its columns are ' ~ column_name_to_data_types.keys() | join(', ')) }}
        {%- endif -%}
        {%- set type = column_name_to_data_types[name] -%}
        {%- if value is none -%}
            {%- set value = 'null' -%}
        {%- elif value is string -%}
            {#- varchar(n) would cut a longer text without a word. -#}
            {%- set type = type.split('(')[0] if 'varying' in type else type -%}
            {%- set value = dbt.string_literal(dbt.escape_single_quotes(value)) -%}
        {%- endif -%}
        {%- do formatted.update({name: safe_cast(value, type)}) -%}
    {%- endfor -%}
    {{ return(formatted) }}
{%- endmacro %}

{#- For those who want to check them. -#}
{% macro default__validate_fixture_rows(rows, row_number) %}{% endmacro %}
