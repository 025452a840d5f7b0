-- Attempts of a run that are under way, of tasks that had $3 or more before whose end was of the kind $2: $1 run.
select a.task_id, a.number
from amalgam.task t
join amalgam.attempt a using (task_id)
where t.run_id = $1 and t.state = 'running' and a.state = 'running'
  and (select count(*) from amalgam.attempt d where d.task_id = t.task_id and d.error_kind = $2) >= $3
order by 1
