{{ config(materialized='table') }}
with letters as (select id from {{ ref('letters') }})
select letters.id, d.price as double_price, t.price as treble_price
from letters
join {{ ref('doubled') }} as d using (id)
join {{ ref('trebled') }} as t using (id)
