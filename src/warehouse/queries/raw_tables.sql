-- The tables of schema $1, or those named in $2: columns, their types, the columns of the primary key, and what
-- people have put there that fires when a session like ours writes: triggers and rules.
select c.relname::text, a.names, a.types,
       array(
           select k.attname::text
           from pg_catalog.pg_index i, unnest(i.indkey::int2[]) with ordinality p(attnum, place)
           join pg_catalog.pg_attribute k on k.attnum = p.attnum
           where i.indrelid = c.oid and i.indisprimary and k.attrelid = c.oid
           order by p.place
       ),
       array(
           select 'trigger ' || t.tgname from pg_catalog.pg_trigger t
           where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled = any (s.firing)
           union all
           select 'rule ' || r.rulename from pg_catalog.pg_rewrite r
           where r.ev_class = c.oid and r.rulename <> '_RETURN' and r.ev_enabled = any (s.firing)
           order by 1
       )
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
(
    select case current_setting('session_replication_role') when 'replica' then '{R,A}' else '{O,A}' end::"char"[]
) s(firing),
lateral (
    select array_agg(a.attname::text order by a.attnum), array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum)
    from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) a(names, types)
where n.nspname = $1 and c.relkind in ('r', 'p') and ($2::text[] is null or c.relname = any($2)) and a.names is not null
