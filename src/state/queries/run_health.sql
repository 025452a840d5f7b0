-- How the runs of each schedule (empty: by hand) went, and what the last one did that has ended.
with known as (
    select coalesce(schedule, '') as schedule,
           max(run_id) filter (where state = 'succeeded') as good_id,
           max(ended_at) filter (where state = 'succeeded') as succeeded_at,
           min(started_at) filter (where state = 'running') as running_since,
           max(run_id) filter (where state <> 'running') as last_id
    from amalgam.run
    group by 1
)
select k.schedule, k.succeeded_at, k.running_since, f.failures_in_a_row, last.seconds,
       t.rows_read, t.rows_inserted, t.rows_updated, t.rows_deleted
from known k
cross join lateral (
    select count(*) as failures_in_a_row
    from amalgam.run r
    where r.run_id > coalesce(k.good_id, 0) and coalesce(r.schedule, '') = k.schedule and r.state = 'failed'
) f
left join lateral (
    select extract(epoch from r.ended_at - r.started_at)::float8 as seconds
    from amalgam.run r
    where r.run_id = k.last_id
) last on true
cross join lateral (
    select coalesce(sum((outcome ->> 'rows_read')::bigint), 0)::bigint as rows_read,
           coalesce(sum((outcome ->> 'rows_inserted')::bigint), 0)::bigint as rows_inserted,
           coalesce(sum((outcome ->> 'rows_updated')::bigint), 0)::bigint as rows_updated,
           coalesce(sum((outcome ->> 'rows_deleted')::bigint), 0)::bigint as rows_deleted
    from amalgam.task
    where run_id = k.last_id and kind in ('sync', 'reconcile')
) t
order by 1
