-- What is known of all raw tables, or those named.
select s.source_table, s.shape, s.fingerprint, s.watermark, s.revision, s.row_count, s.synced_at, s.deletes,
       s.source_server, s.source_position, s.source_read_at, now(),
       (select count(*) from amalgam.quarantine q where q.source_table = s.source_table)
from amalgam.table_state s
where $1::text[] is null or s.source_table = any($1)
