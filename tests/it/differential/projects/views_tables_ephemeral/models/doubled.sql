{{ config(materialized='ephemeral') }}
select id, letter, price * 2 as price from {{ ref('letters') }}
