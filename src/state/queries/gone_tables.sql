-- The tables that were kept in step, and that the source did not show when it was last looked at.
select t.source_table as name, t.synced_at, t.row_count
from amalgam.table_state t, amalgam.catalog c
where t.source_table <> all (c.tables) and t.synced_at <= c.looked_at
order by 1
