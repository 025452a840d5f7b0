{{ config(materialized='ephemeral') }}
-- An ephemeral model over another, with a CTE of its own.
with twice as (select * from {{ ref('doubled') }})
select id, letter, price * 3 as price from twice
