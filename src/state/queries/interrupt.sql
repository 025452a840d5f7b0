-- The attempts of a run that are under way are interrupted, their tasks wait again: $1 run, $2 now, $3 what became
-- of their process, or null.
with task as (
    update amalgam.task set state = 'pending'
    where run_id = $1 and state = 'running'
    returning task_id
)
update amalgam.attempt a set state = 'interrupted', ended_at = $2, error_kind = $3
from task t
where a.task_id = t.task_id and a.state = 'running'
