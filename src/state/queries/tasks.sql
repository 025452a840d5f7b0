-- The tasks of a run with what each waits for: $1 run.
select t.task_id, t.kind, t.subject, t.weight, t.state, t.failures, t.not_before, t.error,
       coalesce(array_agg(e.parent_id) filter (where e.must_succeed), '{}') as parents,
       coalesce(array_agg(e.parent_id) filter (where not e.must_succeed), '{}') as after
from amalgam.task t
left join amalgam.task_edge e using (task_id)
where t.run_id = $1
group by t.task_id
order by t.task_id
