-- A load has come further. No row where somebody else went on with it.
update amalgam.load
set last_key = $4, row_count = $5, dates_coerced = $6, texts_coerced = $7, may_have_gaps = $8,
    local_times_coerced = $9, rows_quarantined = $10, continued_at = now()
where source_table = $1 and relation = $2 and row_count = $3
