-- An attempt begins: $1 task, $2 now, $3 the reign it is written for. Its number. No row: the task is not pending.
-- It need not outlive the server, which ends the attempt with it; so no disk is waited for.
with fenced as materialized (
    select amalgam.fence($3), set_config('synchronous_commit', 'off', true)
), begun as (
    update amalgam.task t set state = 'running', not_before = null
    from fenced where t.task_id = $1 and t.state = 'pending'
    returning t.task_id
)
insert into amalgam.attempt (task_id, number, started_at)
select b.task_id, 1 + (select count(*) from amalgam.attempt a where a.task_id = $1), $2
from begun b
returning number
