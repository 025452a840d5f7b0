-- The rows of each table in quarantine, of those that the source had when it was last looked, and how many of
-- them came since a moment.
select q.source_table, count(*) as rows, min(q.first_seen_at) as since,
       count(*) filter (where q.first_seen_at >= $1) as lately
from amalgam.quarantine q
where not exists (select from amalgam.catalog c where q.source_table <> all (c.tables) and q.last_seen_at <= c.looked_at)
group by q.source_table
order by 1
