-- How every table does that the source had when it was last looked. A table that a later plan found unchanged
-- is as fresh as that plan.
select coalesce(t.source_table, s.name) as name, t.mode, t.row_count,
       greatest(t.synced_at, u.checked_at) as fresh_at,
       greatest(t.source_read_at, u.checked_at) as source_at,
       t.changed_at, s.failing_since, coalesce(s.failures_in_a_row, 0) as failures_in_a_row, s.error_kind, s.error
from amalgam.table_state t
left join (
    select name, max(checked_at) as checked_at
    from amalgam.unchanged, unnest(tables) as name
    group by name
) u on u.name = t.source_table
full join (select * from amalgam.subject where kind = 'table') s on s.name = t.source_table
where (t.source_table is not null or s.failing_since is not null)
  and not exists (
      select from amalgam.catalog c
      where t.source_table <> all (c.tables) and t.synced_at <= c.looked_at
  )
order by 1
