-- Every table there is: $1 when it was looked, $2 their names, one at least. Which tables, kept in step, it showed the last time and shows no more.
with before as materialized (
    select tables from amalgam.catalog
),
put as (
    insert into amalgam.catalog (looked_at, tables)
    values ($1, $2::text[])
    on conflict (only_one) do update set looked_at = excluded.looked_at, tables = excluded.tables
    returning looked_at
)
select t.source_table
from amalgam.table_state t, put
where t.source_table <> all ($2::text[])
  and not exists (select from before where t.source_table <> all (before.tables))
order by 1
