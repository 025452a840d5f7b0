{{ config(materialized='view') }}
select id, price as double_price from {{ ref('doubled') }}
