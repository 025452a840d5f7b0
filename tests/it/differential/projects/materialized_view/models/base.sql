{{ config(materialized='incremental') }}
select coalesce({{ 'max(id)' if is_incremental() else 'null' }}, 0) + 1 as id, 'n' as note
{% if is_incremental() %} from {{ this }} {% endif %}
