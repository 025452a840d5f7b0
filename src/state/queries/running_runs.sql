-- The runs that have not ended, oldest first.
select run_id, schedule, request, planned_at, error
from amalgam.run
where state = 'running'
order by run_id
