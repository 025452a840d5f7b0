{{ config(unique_key='id') }}
select id, happened_at, state from {{ ref('events') }}
{% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}
