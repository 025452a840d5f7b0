{{ config(incremental_strategy='merge', unique_key=['id'], merge_update_columns=['state']) }}
select id, kind || {{ var('day') }} as kind, state from {{ ref('events') }}
