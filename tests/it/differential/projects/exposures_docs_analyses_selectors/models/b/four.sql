{{ config(tags=['even']) }}
select t.n + o.n as n from {{ ref('three') }} as t cross join {{ ref('one') }} as o
