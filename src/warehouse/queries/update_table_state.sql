-- The next state of a table. No row where another writer came first.
update amalgam.table_state
set mode = $2, shape = $3, fingerprint = $4, watermark = $5, row_count = $6, source_read_at = $7,
    reconciled_at = case when $8 then now() else reconciled_at end,
    deletes = $9, consistency = $10, source_server = $11, source_position = $12,
    not_followed = $13,
    revision = revision + 1,
    data_version = data_version + case when $15 then 1 else 0 end,
    changed_at = case when $15 then now() else changed_at end,
    synced_at = now()
where source_table = $1 and revision = $14
