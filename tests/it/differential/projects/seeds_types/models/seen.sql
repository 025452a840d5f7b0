select i.whole, d.code, d.amount from {{ ref('inferred') }} as i left join {{ ref('declared') }} as d on d.code::int = i.whole
