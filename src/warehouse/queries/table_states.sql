-- What is known of all raw tables, or those named, and whether each is there in the raw schema.
select s.source_table, s.shape, s.fingerprint, s.watermark, s.revision, s.row_count, s.synced_at,
       exists (
           select from pg_catalog.pg_class c
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace
           where n.nspname = $2 and c.relname = s.source_table and c.relkind in ('r', 'p')
       )
from amalgam.table_state s
where $1::text[] is null or s.source_table = any($1)
