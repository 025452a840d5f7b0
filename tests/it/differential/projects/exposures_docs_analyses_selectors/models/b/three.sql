{{ config(tags=['odd', 'prime']) }}
select n + 1 as n from {{ ref('two') }}
