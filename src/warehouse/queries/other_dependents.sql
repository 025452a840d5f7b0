-- What hangs on relation $1 or one of its columns and is neither a view nor a part of the relation itself.
select pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
from pg_catalog.pg_depend d
where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = $1 and d.deptype = 'n'
  and not (d.classid = 'pg_catalog.pg_rewrite'::regclass)
  and not (d.classid = 'pg_catalog.pg_constraint'::regclass
           and exists (select from pg_catalog.pg_constraint c where c.oid = d.objid and c.conrelid = $1))
  and not (d.classid = 'pg_catalog.pg_policy'::regclass
           and exists (select from pg_catalog.pg_policy p where p.oid = d.objid and p.polrelid = $1))
  and not (d.classid = 'pg_catalog.pg_attrdef'::regclass
           and exists (select from pg_catalog.pg_attrdef a where a.oid = d.objid and a.adrelid = $1))
  and not (d.classid = 'pg_catalog.pg_trigger'::regclass
           and exists (select from pg_catalog.pg_trigger t where t.oid = d.objid and t.tgrelid = $1))
  and not (d.classid = 'pg_catalog.pg_publication_rel'::regclass
           and exists (select from pg_catalog.pg_publication_rel p where p.oid = d.objid and p.prrelid = $1))
  and not (d.classid = 'pg_catalog.pg_class'::regclass and d.objid = $1)
order by 1
limit 10
