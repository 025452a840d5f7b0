-- How every model does. A failure is healed by a build that was asked for by hand and ended well since.
select coalesce(s.name, m.model_id) as name,
       coalesce(m.built_at, s.succeeded_at) as good_at,
       case when not h.healed then s.failing_since end as failing_since,
       case when h.healed then 0 else coalesce(s.failures_in_a_row, 0) end as failures_in_a_row,
       case when not h.healed then s.error_kind end as error_kind,
       case when not h.healed then s.error end as error,
       coalesce(b.unusual, '{}') as unusual,
       b.started_at as built_at, b.seconds, b.usual_seconds, b.row_count as rows, b.usual_rows
from (select * from amalgam.subject where kind = 'model') s
full join amalgam.model_state m on m.model_id = s.name
cross join lateral (
    select coalesce(m.failed_at is null and m.checked_at > s.failing_since, false) as healed
) h
left join lateral (
    select * from amalgam.model_build
    where model_id = coalesce(s.name, m.model_id) and outcome = 'published'
    order by build_id desc limit 1
) b on true
where s.name is not null or to_regclass(m.relation) is not null
order by 1
