-- The first state of a table. No row where another writer came first.
insert into amalgam.table_state
    (source_table, mode, shape, fingerprint, watermark, row_count, source_read_at, reconciled_at, deletes, consistency,
     source_server, source_position, not_followed)
values ($1, $2, $3, $4, $5, $6, $7, case when $8 then now() end, $9, $10, $11, $12, $13)
on conflict (source_table) do nothing
