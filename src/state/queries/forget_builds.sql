-- Builds of models that began long ago, and texts that no build has any more: $1 now, $2 days remembered, $3 how many
-- of each model stay however old they are.
with gone as (
    delete from amalgam.model_build b
    using (
        select build_id, row_number() over (partition by model_id order by build_id desc) as place
        from amalgam.model_build
    ) r
    where r.build_id = b.build_id and r.place > $3 and b.started_at < $1 - make_interval(days => $2)
    returning b.build_id
)
delete from amalgam.model_sql t
where not exists (
    select from amalgam.model_build b
    where b.model_id = t.model_id and b.sql_hash = t.sql_hash and b.build_id not in (select build_id from gone)
)
