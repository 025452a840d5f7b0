-- What was looked at is another now: $1 the schedule, $2 and $3 what it is as file or change, $4 what asks for
-- a fire or null, $5 now. A paused schedule lets it go.
update amalgam.schedule
set seen_file = coalesce($2, seen_file), seen_change = coalesce($3, seen_change),
    queued_by = case when $4 is null or paused or queued_fire_at is not null then queued_by else $4 end,
    queued_fire_at = case when $4 is null or paused then queued_fire_at else coalesce(queued_fire_at, $5) end
where name = $1 and ($2 is null or seen_file is distinct from $2) and ($3 is null or seen_change is distinct from $3)
