-- Every schedule, by name.
select name, cron, timezone, after, next_fire_at, last_fire_at, queued_fire_at, queued_by, seen_file, seen_change,
       paused
from amalgam.schedule
order by name
