-- Runs that ended long ago: $1 now, $2 days remembered, $3 how many at a time.
delete from amalgam.run
where run_id in (
    select run_id from amalgam.run
    where ended_at < $1 - make_interval(days => $2)
    order by ended_at
    limit $3
)
