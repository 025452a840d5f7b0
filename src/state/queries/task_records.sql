-- The tasks of a run: $1 run.
select t.task_id, t.kind, t.subject, t.state, t.ended_at, t.outcome, t.error_kind, t.error,
       (select min(a.started_at) from amalgam.attempt a where a.task_id = t.task_id) as started_at
from amalgam.task t
where t.run_id = $1
order by t.task_id
