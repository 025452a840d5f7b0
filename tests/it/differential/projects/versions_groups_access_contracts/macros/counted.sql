{% test dbt_is_counted(model, rows) %}
select n from (select count(*) as n from {{ model }}) as c where n <> {{ rows }}
{% endtest %}
