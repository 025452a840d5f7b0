{% macro scaled(column) %}{{ return(adapter.dispatch('scaled', 'toolbox')(column)) }}{% endmacro %}
{% macro default__scaled(column) %}({{ column }} * {{ var('factor') }} + {{ var('offset') }}){% endmacro %}

{% macro shifted(column) %}{{ return(adapter.dispatch('shifted', 'toolbox')(column)) }}{% endmacro %}
{% macro default__shifted(column) %}({{ column }} + 1000){% endmacro %}

{% macro private_name() %}of the toolbox{% endmacro %}
{% macro who() %}{{ private_name() }}{% endmacro %}
