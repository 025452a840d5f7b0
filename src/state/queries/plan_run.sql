-- A run's graph is known: $1 run, $2 now, $3 tables unchanged, $4 and $5 what could not be planned and why.
-- No row: it was known before.
update amalgam.run
set planned_at = $2, tables_unchanged = $3, error_kind = $4, error = $5
where run_id = $1 and planned_at is null and state = 'running'
returning coalesce(schedule, '')
