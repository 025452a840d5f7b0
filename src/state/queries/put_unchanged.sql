-- What the last plan found unchanged: $1 schedule, $2 when it was looked, $3 tables.
insert into amalgam.unchanged (schedule, checked_at, tables)
values ($1, $2, $3)
on conflict (schedule) do update set checked_at = excluded.checked_at, tables = excluded.tables
