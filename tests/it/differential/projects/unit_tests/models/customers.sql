{{ config(materialized='table') }}
select distinct customer as name, null::text as email from {{ ref('orders') }}
