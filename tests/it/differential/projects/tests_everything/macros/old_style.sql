{% macro test_no_two_equal(model, by) %}
select {{ by | join(', ') }} from {{ model }} group by {{ by | join(', ') }} having count(*) > 1
{% endmacro %}
