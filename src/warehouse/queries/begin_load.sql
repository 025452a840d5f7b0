-- A load begins, or begins anew.
insert into amalgam.load (source_table, relation, shape, fingerprint, source_read_at, log_position)
values ($1, $2, $3, $4, $5, $6)
on conflict (source_table) do update
set relation = excluded.relation, shape = excluded.shape, fingerprint = excluded.fingerprint,
    source_read_at = excluded.source_read_at, log_position = excluded.log_position, last_key = null, row_count = 0, dates_coerced = 0, texts_coerced = 0,
    may_have_gaps = false, local_times_coerced = 0, rows_quarantined = 0,
    begun_at = now(), continued_at = now()
