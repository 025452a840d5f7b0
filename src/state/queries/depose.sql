-- Ends the sessions of this user that hold one of the advisory locks of this key: "amal", $1. How many.
select count(*) filter (where pg_terminate_backend(l.pid))
from pg_locks l
join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and l.objsubid = 2
  and l.classid = 1634558316 and l.objid = $1::int::oid
  and l.database = (select oid from pg_database where datname = current_database())
  and l.pid <> pg_backend_pid() and a.usename = current_user
