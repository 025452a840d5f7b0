{# The same model in its first and in its second shape. #}
{% macro shape() %}
{% if var('second', false) %}
select id, 'kept'::varchar(40) as kept, id * 2.5 as added, 'n' as widened from generate_series(2, 3) as id
{% else %}
select id, 'k'::varchar(10) as kept, true as dropped, 'n' as widened from generate_series(1, 2) as id
{% endif %}
{% endmacro %}
