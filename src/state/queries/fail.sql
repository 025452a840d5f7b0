-- An attempt ends with an error: $1 task, $2 attempt, $3 now, $4 kind of failure, $5 its text,
-- $6 when to try again (null: the task has failed). No row: the attempt had ended before.
with attempt as (
    update amalgam.attempt set state = 'failed', ended_at = $3, error_kind = $4, error = $5
    where task_id = $1 and number = $2 and state = 'running'
    returning task_id
), task as (
    update amalgam.task t
    set failures = t.failures + 1,
        not_before = $6,
        state = case when $6::timestamptz is null then 'failed' else 'pending' end,
        ended_at = case when $6::timestamptz is null then $3 end,
        error_kind = case when $6::timestamptz is null then $4 end,
        error = case when $6::timestamptz is null then $5 end
    from attempt a where t.task_id = a.task_id
    returning t.task_id, case t.kind when 'model' then 'model' when 'sync' then 'table' when 'reconcile' then 'table' end as kind, t.subject
), subject as (
    insert into amalgam.subject as s (kind, name, failing_since, failures_in_a_row, error_kind, error)
    select kind, subject, $3, 1, $4, $5 from task where $6::timestamptz is null and kind is not null
    on conflict (kind, name) do update
    set failing_since = coalesce(s.failing_since, excluded.failing_since),
        failures_in_a_row = s.failures_in_a_row + 1,
        error_kind = excluded.error_kind,
        error = excluded.error
)
select task_id from task
