-- A mistake that unit tests find.
select c.name, coalesce(sum(p.amount), 1) as total, max(p.day) as last_day, '{{ var("label", "plain") }}' as label, {{ shout("'x'") }} as shouted
from {{ ref('customers') }} as c left join {{ ref('passing') }} as p on p.customer = c.name
group by c.name
