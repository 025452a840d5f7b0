-- Every table there is: $1 when it was looked, $2 their names. A source that shows none has taken a right away.
insert into amalgam.catalog (looked_at, tables)
select $1, $2::text[]
where cardinality($2::text[]) > 0
on conflict (only_one) do update set looked_at = excluded.looked_at, tables = excluded.tables
