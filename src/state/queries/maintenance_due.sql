-- Which maintenance is due: $1 what there is, $2 now, $3 hours between. What was never done counts from the first run.
-- A time to come was written down by a clock that has been put back since.
select s.name
from unnest($1::text[]) with ordinality as s (name, position)
cross join lateral (
    select coalesce(
        (select max(t.ended_at) from amalgam.task t
         where t.kind = 'maintenance' and t.state = 'succeeded' and t.subject = s.name),
        (select r.started_at from amalgam.run r order by r.run_id limit 1)
    ) as at
) last
where last.at <= $2 - make_interval(hours => $3) or last.at > $2
order by s.position
