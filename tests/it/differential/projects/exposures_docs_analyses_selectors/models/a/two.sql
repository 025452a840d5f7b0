{{ config(tags=['even', 'prime']) }}
select n + 1 as n from {{ ref('one') }}
