-- Tasks that wait for one that failed: $1 tasks, $2 the cause of each, $3 now.
update amalgam.task t
set state = 'skipped', ended_at = $3, error = c.cause
from unnest($1::bigint[], $2::text[]) as c (task_id, cause)
where t.task_id = c.task_id and t.state = 'pending'
