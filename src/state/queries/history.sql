-- Past runs, newest first: $1 one run's number or null, $2 how many.
select r.run_id, r.trigger, r.schedule, r.cause, r.request, r.state, r.started_at, r.ended_at, r.tables_unchanged,
       r.error_kind, r.error, t.*
from amalgam.run r
cross join lateral (
    select count(*) as tasks,
           count(*) filter (where state = 'succeeded') as succeeded,
           count(*) filter (where state = 'unchanged') as unchanged,
           count(*) filter (where state = 'failed') as failed,
           count(*) filter (where state in ('skipped', 'cancelled')) as skipped
    from amalgam.task t
    where t.run_id = r.run_id
) t
where $1::bigint is null or r.run_id = $1
order by r.run_id desc
limit $2
