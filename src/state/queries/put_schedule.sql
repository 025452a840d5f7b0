-- A schedule that is new or whose expression or zone was changed: $1 name, $2 cron, $3 timezone, $4 next fire.
insert into amalgam.schedule (name, cron, timezone, next_fire_at)
values ($1, $2, $3, $4)
on conflict (name) do update
set cron = excluded.cron, timezone = excluded.timezone, next_fire_at = excluded.next_fire_at
