{{ config(incremental_strategy='merge', unique_key='id', indexes=[{'columns': ['id'], 'unique': true}]) }}
select id, kind, state from {{ ref('events') }}
