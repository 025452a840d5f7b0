-- Every schedule, by name.
select name, cron, timezone, next_fire_at, last_fire_at, queued_fire_at, paused
from amalgam.schedule
order by name
