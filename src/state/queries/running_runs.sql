-- The runs that have not ended, oldest first: $1 the kinds of tasks that are known, $2 their states.
select r.run_id, r.schedule, r.request, r.planned_at, r.error,
       not exists (
           select from amalgam.task t
           where t.run_id = r.run_id and (t.kind <> all ($1) or t.state <> all ($2))
       ) as is_known
from amalgam.run r
where r.state = 'running'
order by r.run_id
