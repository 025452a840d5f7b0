-- The attempts of a run's tasks: $1 run.
select a.task_id, a.number, a.state, a.started_at, a.ended_at, a.error_kind, a.error
from amalgam.attempt a
join amalgam.task t using (task_id)
where t.run_id = $1
order by a.task_id, a.number
