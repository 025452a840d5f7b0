-- The last builds of models: $1 their ids, null for all; $2 how many.
select b.build_id, b.model_id, b.materialized, b.kind, b.outcome, b.started_at, b.seconds, b.row_count as rows, b.bytes,
       b.reason, b.unusual, b.usual_seconds, b.usual_rows, b.error_kind, b.error, b.run_id, t.sql
from amalgam.model_build b
left join amalgam.model_sql t using (model_id, sql_hash)
where $1::text[] is null or b.model_id = any ($1)
order by b.build_id desc
limit $2
