-- The names of a database's base tables.
select table_name from information_schema.tables
where table_schema = ? and table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
