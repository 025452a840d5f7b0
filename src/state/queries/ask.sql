-- A fire is asked for: $1 the schedule, $2 now, $3 by what. It happens when no run of the schedule is under way.
update amalgam.schedule
set queued_by = case when queued_fire_at is null then $3 else queued_by end, queued_fire_at = coalesce(queued_fire_at, $2)
where name = $1 and not paused
