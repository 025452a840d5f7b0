-- Forgets begun loads that nobody went on with for $1 days, of tables that were not there, or excluded, when a run was
-- last planned; the tables they filled.
delete from amalgam.load l
using amalgam.catalog c
where l.continued_at < now() - make_interval(days => $1) and l.source_table <> all (c.tables)
returning l.relation
