{{ config(incremental_strategy='newest_only') }}
select id, state from {{ ref('events') }}
