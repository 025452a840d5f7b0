-- A run ends: $1 run, $2 state, $3 now, $4 and $5 its cause. A cause known since the plan stays.
update amalgam.run
set state = $2, ended_at = $3, error_kind = coalesce(error_kind, $4), error = coalesce(error, $5)
where run_id = $1 and state = 'running'
