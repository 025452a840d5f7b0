{% macro squares(upto) %}
    {% set found = [] %}
    {% for n in range(1, upto + 1) %}{% do found.append(n * n) %}{% endfor %}
    {{ return(found) }}
    {{ exceptions.raise_compiler_error('not reached') }}
{% endmacro %}

{% macro everything() %}
    {%- set ns = namespace(text='') -%}
    {%- for arg in varargs %}{% set ns.text = ns.text ~ arg ~ ';' %}{% endfor -%}
    {%- for key, value in kwargs.items() | sort %}{% set ns.text = ns.text ~ key ~ '=' ~ value ~ ';' %}{% endfor -%}
    {{ ns.text }}
{%- endmacro %}

{% macro wrapped(before) -%}
    {{ before }}[{{ caller('x') }}]
{%- endmacro %}

{% macro twice(a_macro, value) %}{{ return(a_macro(a_macro(value))) }}{% endmacro %}
{% macro plus_one(value) %}{{ return(value + 1) }}{% endmacro %}

{% macro early(n) %}
    {% if n > 2 %}{{ return('big') }}{% endif %}
    {% for i in [1, 2, 3] if i == n %}{% do return('found ' ~ i) %}{% else %}{{ return('none') }}{% endfor %}
{% endmacro %}

{% macro greeting() %}{{ return(adapter.dispatch('greeting')()) }}{% endmacro %}
{% macro default__greeting() %}wrong{% endmacro %}
{% macro postgres__greeting() %}from postgres{% endmacro %}

{# One row for each pair of a name and a value, both as texts. #}
{% macro rows(pairs) %}
    {% for name, value in pairs %}
    select '{{ name }}' as name, '{{ (value | string).replace("'", "''") }}' as value{{ ' union all' if not loop.last }}
    {% endfor %}
{% endmacro %}
