{{ config(incremental_strategy='delete+insert', unique_key=['id', 'kind'], incremental_predicates=["kind <> 'kind 7'"]) }}
select id, kind, state from {{ ref('events') }}
