-- The control plane's own tables, without those that are being filled.
select t.tablename::text
from pg_catalog.pg_tables t
where t.schemaname = 'amalgam' and t.tableowner = current_user
  and not exists (select from amalgam.load l where l.relation = t.tablename)
order by 1
