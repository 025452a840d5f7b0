-- When the last run of each schedule (empty: by hand) ended well.
select coalesce(schedule, ''), max(ended_at)
from amalgam.run
where state = 'succeeded'
group by 1
