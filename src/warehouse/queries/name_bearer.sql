-- What bears the name $2 in schema $1: the kind of a relation (PostgreSQL docs § pg_class, relkind), or `type`. No row:
-- nothing does. An array's type makes way by itself.
select c.relkind::text
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2
union all
select 'type'
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where n.nspname = $1 and t.typname = $2 and t.typrelid = 0 and t.typcategory <> 'A'
