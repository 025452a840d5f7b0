{% test is_positive(model, column_name, above=0) %}
select {{ column_name }} from {{ model }} where {{ column_name }} <= {{ above }}
{% endtest %}
