-- Of the schemas that will be written ($1), those that exist: whether we own them or may create in
-- them, and how many of their relations belong to somebody else.
select
    n.nspname::text,
    pg_has_role(current_user, n.nspowner, 'member'),
    has_schema_privilege(n.oid, 'create'),
    pg_get_userbyid(n.nspowner)::text,
    (
        select count(*)
        from pg_class c
        where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm') and not pg_has_role(current_user, c.relowner, 'member')
    )
from pg_namespace n
where n.nspname = any($1)
order by 1
