-- Tests of the models by their last verdict: how many of each.
select test ->> 'status', count(*)
from amalgam.model_state
cross join jsonb_array_elements(tests) as test
where to_regclass(relation) is not null
group by 1
order by 1
