{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}{{ target.schema }}_plain
    {%- elif node.resource_type == 'seed' -%}{{ custom_schema_name | trim }}_seeds
    {%- else -%}{{ custom_schema_name | trim }}{%- endif -%}
{%- endmacro %}

{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if custom_alias_name -%}{{ custom_alias_name | trim }}
    {%- elif node.version -%}{{ node.name ~ '_version_' ~ node.version }}
    {%- elif node.package_name != project_name -%}{{ node.package_name }}__{{ node.name }}
    {%- else -%}{{ node.name }}{%- endif -%}
{%- endmacro %}

{# Found before the package's own by the search order of dispatch. #}
{% macro default__shifted(column) %}({{ column }} - 1000){% endmacro %}
{% macro private_name() %}of the project{% endmacro %}

{# An override of one of dbt's own. #}
{% macro postgres__current_timestamp() %}timestamp '2024-01-01 00:00:00'{% endmacro %}
