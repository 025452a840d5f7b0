-- A schedule that is new or was changed: $1 name, $2 cron, $3 timezone, $4 next fire, $5 after which others.
insert into amalgam.schedule (name, cron, timezone, next_fire_at, after)
values ($1, $2, $3, $4, $5)
on conflict (name) do update
set cron = excluded.cron, timezone = excluded.timezone, next_fire_at = excluded.next_fire_at, after = excluded.after
