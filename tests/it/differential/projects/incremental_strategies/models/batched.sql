{{ config(incremental_strategy='microbatch', event_time='happened_at', begin='2024-03-01', batch_size='day', unique_key='id') }}
select id, happened_at, state from {{ ref('events') }}
