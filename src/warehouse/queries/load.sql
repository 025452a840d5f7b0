-- How far the load of table $1 has come, if the table it fills is still there.
select l.relation, l.shape, l.fingerprint, l.source_read_at, l.last_key, l.row_count, l.dates_coerced, l.texts_coerced,
       l.may_have_gaps, l.local_times_coerced, l.rows_quarantined, l.log_position
from amalgam.load l
where l.source_table = $1 and to_regclass(format('amalgam.%I', l.relation)) is not null
