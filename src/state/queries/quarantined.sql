-- How many rows of each table are in quarantine, of those that the source had when it was last looked.
select q.source_table, count(*)
from amalgam.quarantine q
where not exists (select from amalgam.catalog c where q.source_table <> all (c.tables) and q.last_seen_at <= c.looked_at)
group by q.source_table
order by 1
