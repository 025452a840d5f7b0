-- An attempt and its task end well: $1 task, $2 attempt, $3 now, $4 the task's state, $5 outcome, $6 the reign it is
-- written for. No row: the attempt had ended before.
with fenced as materialized (
    select amalgam.fence($6)
), attempt as (
    update amalgam.attempt a set state = 'succeeded', ended_at = $3
    from fenced where a.task_id = $1 and a.number = $2 and a.state = 'running'
    returning a.task_id, a.started_at
), task as (
    update amalgam.task t set state = $4, ended_at = $3, outcome = $5
    from attempt a where t.task_id = a.task_id
    returning t.task_id, case t.kind when 'model' then 'model' when 'sync' then 'table' when 'reconcile' then 'table' end as kind, t.subject,
              case when $5 ->> 'action' in ('load', 'delta', 'reconcile') then $5 ->> 'action' else t.kind end as work,
              greatest(extract(epoch from $3 - a.started_at), 0)::float8 as seconds
), took as (
    insert into amalgam.duration as d (kind, subject, seconds)
    select work, subject, seconds from task where $4 = 'succeeded'
    on conflict (kind, subject) do update set seconds = 0.7 * d.seconds + 0.3 * excluded.seconds
), subject as (
    insert into amalgam.subject as s (kind, name, succeeded_at)
    select kind, subject, $3 from task where kind is not null
    on conflict (kind, name) do update
    set succeeded_at = excluded.succeeded_at, failing_since = null, failures_in_a_row = 0, error_kind = null, error = null
)
select task_id from task
