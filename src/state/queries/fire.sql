-- A fire happens: $1 name, $2 when it was due, $3 the next, $4 whether it waits.
-- No row: it has happened already. Of fires that wait, the first stays.
update amalgam.schedule
set next_fire_at = $3,
    last_fire_at = case when $4 then last_fire_at else $2 end,
    queued_fire_at = case when $4 then coalesce(queued_fire_at, $2) else queued_fire_at end
where name = $1 and next_fire_at = $2
