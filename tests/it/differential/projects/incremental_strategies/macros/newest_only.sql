{% macro get_incremental_newest_only_sql(arg_dict) %}
    delete from {{ arg_dict['target_relation'] }};
    insert into {{ arg_dict['target_relation'] }} (id, state)
    select id, state from {{ arg_dict['temp_relation'] }} where id = (select max(id) from {{ arg_dict['temp_relation'] }})
{% endmacro %}
