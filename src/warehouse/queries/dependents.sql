-- Views and materialized views that hang on relation $1, directly or not, the nearest first.
with recursive dependent as (
    select r.ev_class as oid, 1 as depth
    from pg_catalog.pg_depend d
    join pg_catalog.pg_rewrite r on r.oid = d.objid
    where d.classid = 'pg_catalog.pg_rewrite'::regclass
      and d.refclassid = 'pg_catalog.pg_class'::regclass
      and d.refobjid = $1 and r.ev_class <> $1
    union
    select r.ev_class, dependent.depth + 1
    from dependent
    join pg_catalog.pg_depend d on d.refobjid = dependent.oid
    join pg_catalog.pg_rewrite r on r.oid = d.objid
    where d.classid = 'pg_catalog.pg_rewrite'::regclass
      and d.refclassid = 'pg_catalog.pg_class'::regclass
      and r.ev_class <> dependent.oid
      -- Views can't depend on each other in a circle; the bound is for a damaged catalog.
      and dependent.depth < 1000
)
select c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relispopulated,
       pg_catalog.pg_get_viewdef(c.oid), pg_catalog.pg_has_role(c.relowner, 'usage')
from (select oid, max(depth) as depth from dependent group by oid) d
join pg_catalog.pg_class c on c.oid = d.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm')
order by d.depth, c.oid
