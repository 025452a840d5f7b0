-- An attempt begins: $1 task, $2 now. Its number. No row: the task is not pending.
with begun as (
    update amalgam.task set state = 'running', not_before = null
    where task_id = $1 and state = 'pending'
    returning task_id
)
insert into amalgam.attempt (task_id, number, started_at)
select b.task_id, 1 + (select count(*) from amalgam.attempt a where a.task_id = $1), $2
from begun b
returning number
