{{ config(incremental_strategy='append') }}
select id, state from {{ ref('events') }}
{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
