-- A run's tasks, in the order given: $1 run, $2 kinds, $3 subjects, $4 weights. Their numbers, in that order.
with inserted as (
    insert into amalgam.task (run_id, kind, subject, weight)
    select $1, t.kind, t.subject, t.weight
    from unnest($2::text[], $3::text[], $4::bigint[]) with ordinality as t (kind, subject, weight, position)
    order by t.position
    returning task_id, kind, subject
)
select i.task_id
from inserted i
join unnest($2::text[], $3::text[]) with ordinality as t (kind, subject, position) using (kind, subject)
order by t.position
