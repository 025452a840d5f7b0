{% test at_least(model, rows) %}
{{ config(fail_calc='sum(missing)', tags=['counted']) }}
select greatest({{ rows }} - count(*), 0) as missing from {{ model }}
{% endtest %}
