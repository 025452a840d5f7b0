-- What went wrong with the newest run of each schedule (null: by hand) itself; not where it went well. One by
-- hand is forgotten once any run after it went well, one of a schedule with the schedule.
select r.run_id, r.schedule, r.error_kind, r.error, coalesce(r.ended_at, r.planned_at) as at
from (
    select max(run_id) as run_id
    from amalgam.run
    where planned_at is not null or ended_at is not null
    group by schedule
) newest
join amalgam.run r using (run_id)
where r.error is not null
  and case when r.schedule is null
          then not exists (select from amalgam.run l where l.run_id > r.run_id and l.state = 'succeeded')
          else exists (select from amalgam.schedule s where s.name = r.schedule)
      end
order by r.run_id
