-- Rows of table $1 were refused in the read that began at $2. A row may be read twice in one sync. How many of
-- them were not in quarantine before.
with refused as (
    insert into amalgam.quarantine as q (source_table, row_key, column_name, reason, read_at)
    select distinct on (row_key) $1, row_key, column_name, reason, $2
    from unnest($3::text[], $4::text[], $5::text[]) as r (row_key, column_name, reason)
    order by row_key
    on conflict (source_table, row_key) do update
    set column_name = excluded.column_name, reason = excluded.reason, read_at = excluded.read_at, last_seen_at = now(),
        times_seen = q.times_seen + 1
    returning times_seen
)
select count(*) filter (where times_seen = 1) from refused
