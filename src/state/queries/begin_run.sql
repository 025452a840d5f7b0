-- A run begins: $1 trigger, $2 schedule, $3 when it was due, $4 request, $5 now, $6 its cause.
-- No row: this fire has begun a run before.
insert into amalgam.run (trigger, schedule, fire_at, request, started_at, cause)
values ($1, $2, $3, $4, $5, $6)
on conflict (schedule, fire_at) do nothing
returning run_id
