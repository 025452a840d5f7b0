-- A run ends: $1 run, $2 state, $3 now, $4 and $5 its cause. A cause known since the plan stays. Where it ended
-- well, the schedules that come after it are asked for.
with ended as (
    update amalgam.run
    set state = $2, ended_at = $3, error_kind = coalesce(error_kind, $4), error = coalesce(error, $5)
    where run_id = $1 and state = 'running'
    returning schedule, state
)
update amalgam.schedule s
set queued_by = case when s.queued_fire_at is null then 'after ' || e.schedule else s.queued_by end,
    queued_fire_at = coalesce(s.queued_fire_at, $3)
from ended e
where e.state = 'succeeded' and e.schedule = any(s.after) and not s.paused
