-- The tables of schema $1, or those named in $2: columns, their types, and the columns of the primary key.
select c.relname::text, a.names, a.types,
       array(
           select k.attname::text
           from pg_catalog.pg_index i, unnest(i.indkey::int2[]) with ordinality p(attnum, place)
           join pg_catalog.pg_attribute k on k.attnum = p.attnum
           where i.indrelid = c.oid and i.indisprimary and k.attrelid = c.oid
           order by p.place
       )
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
lateral (
    select array_agg(a.attname::text order by a.attnum), array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum)
    from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) a(names, types)
where n.nspname = $1 and c.relkind in ('r', 'p') and ($2::text[] is null or c.relname = any($2)) and a.names is not null
