-- A fire happens: $1 name, $2 when the schedule was due, $3 the next, $4 whether it waits, $5 the moment that counts:
-- of several that were due, one stands for all. No row: it has happened already. Of fires that wait, the first stays.
update amalgam.schedule
set next_fire_at = $3,
    last_fire_at = case when $4 then last_fire_at else $5 end,
    queued_fire_at = case when $4 then coalesce(queued_fire_at, $5) else queued_fire_at end
where name = $1 and next_fire_at = $2
