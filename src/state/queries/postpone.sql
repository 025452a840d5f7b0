-- An attempt may not go on now: it ends as interrupted, and its task waits. $1 task, $2 attempt, $3 now,
-- $4 until when. No row: the attempt had ended before.
with attempt as (
    update amalgam.attempt set state = 'interrupted', ended_at = $3
    where task_id = $1 and number = $2 and state = 'running'
    returning task_id
)
update amalgam.task t set state = 'pending', not_before = $4
from attempt a where t.task_id = a.task_id
returning t.task_id
