-- An attempt and its task end well: $1 task, $2 attempt, $3 now, $4 the task's state, $5 outcome.
-- No row: the attempt had ended before.
with attempt as (
    update amalgam.attempt set state = 'succeeded', ended_at = $3
    where task_id = $1 and number = $2 and state = 'running'
    returning task_id
), task as (
    update amalgam.task t set state = $4, ended_at = $3, outcome = $5
    from attempt a where t.task_id = a.task_id
    returning t.task_id, case t.kind when 'model' then 'model' else 'table' end as kind, t.subject
), subject as (
    insert into amalgam.subject as s (kind, name, succeeded_at)
    select kind, subject, $3 from task
    on conflict (kind, name) do update
    set succeeded_at = excluded.succeeded_at, failing_since = null, failures_in_a_row = 0, error_kind = null, error = null
)
select task_id from task
