{{ config(materialized='table') }}
select count(*) as n, bool_and(by_own_view) as all_own from {{ ref('seen') }}
