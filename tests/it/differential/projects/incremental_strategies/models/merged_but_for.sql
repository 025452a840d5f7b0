{{ config(incremental_strategy='merge', unique_key='id', merge_exclude_columns=['kind']) }}
select id, kind || {{ var('day') }} as kind, state from {{ ref('events') }}
