-- Statements that give relation $1, made anew under its own name, what it has now: owner, options,
-- indexes and constraints (not those with the prefix $2, which are made elsewhere), what they are for,
-- rules, triggers, comments, publications, and at last its grants. Each with what it is about.
-- $3 is the kind ("relkind") it is made as; where that is another one, only owner, comments and grants go along.
with this as (
    select c.oid, c.relkind, c.relowner, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relacl,
           format('%I.%I', n.nspname, c.relname) as name,
           case $3 when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as word,
           c.relkind::text = $3 as same
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = $1
), states(state, word) as (
    values ('D'::"char", 'disable'), ('R'::"char", 'enable replica'), ('A'::"char", 'enable always')
), parts(place, about, statement) as (
    select 10, 'owner', format('alter %s %s owner to %I', word, name, pg_catalog.pg_get_userbyid(relowner))
    from this where pg_catalog.pg_get_userbyid(relowner) <> current_user
    union all
    select 20, 'options', format('alter %s %s set (%s)', word, name,
           (select string_agg(format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') from unnest(reloptions) o))
    from this where reloptions is not null
    union all
    select 30, format('constraint %I', k.conname),
           format('alter table %s add constraint %I %s', name, k.conname, pg_catalog.pg_get_constraintdef(k.oid))
    from this join pg_catalog.pg_constraint k on k.conrelid = this.oid
    where k.contype in ('p', 'u', 'c', 'x', 'f') and this.relkind in ('r', 'p') and not starts_with(k.conname::text, $2)
    union all
    select 31, format('index %I', i.relname), pg_catalog.pg_get_indexdef(x.indexrelid)
    from this join pg_catalog.pg_index x on x.indrelid = this.oid
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    where not exists (select from pg_catalog.pg_constraint k where k.conindid = x.indexrelid and k.conrelid = this.oid)
      and not starts_with(i.relname::text, $2)
    union all
    select 32, format('index %I', i.relname), format('alter table %s cluster on %I', name, i.relname)
    from this join pg_catalog.pg_index x on x.indrelid = this.oid and x.indisclustered
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    where not starts_with(i.relname::text, $2)
    union all
    -- Not of a key that is made elsewhere: it may be another one by now.
    select 32, format('column %I', a.attname), format('alter table %s alter column %I set not null', name, a.attname)
    from this join pg_catalog.pg_attribute a on a.attrelid = this.oid and a.attnotnull and a.attnum > 0 and not a.attisdropped
    where this.relkind in ('r', 'p')
      and not exists (select from pg_catalog.pg_constraint k where k.conrelid = this.oid and k.contype = 'p'
                      and a.attnum = any (k.conkey) and starts_with(k.conname::text, $2))
    union all
    select 33, format('statistics %I', s.stxname), pg_catalog.pg_get_statisticsobjdef(s.oid)
    from this join pg_catalog.pg_statistic_ext s on s.stxrelid = this.oid
    union all
    select 34, 'replica identity', format('alter table %s replica identity %s', name, case relreplident when 'f' then 'full' else 'nothing' end)
    from this where relreplident in ('f', 'n') and relkind in ('r', 'p', 'm')
    union all
    select 34, 'replica identity', format('alter table %s replica identity using index %I', name, i.relname)
    from this join pg_catalog.pg_index x on x.indrelid = this.oid and x.indisreplident
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    where this.relreplident = 'i' and not starts_with(i.relname::text, $2)
    union all
    select 35, format('default of column %I', a.attname),
           format('alter view %s alter column %I set default %s', name, a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid))
    from this join pg_catalog.pg_attrdef d on d.adrelid = this.oid and this.relkind = 'v'
    join pg_catalog.pg_attribute a on a.attrelid = this.oid and a.attnum = d.adnum
    union all
    select 40, format('rule %I', r.rulename), pg_catalog.pg_get_ruledef(r.oid)
    from this join pg_catalog.pg_rewrite r on r.ev_class = this.oid where r.rulename <> '_RETURN'
    union all
    select 41, format('trigger %I', t.tgname), pg_catalog.pg_get_triggerdef(t.oid)
    from this join pg_catalog.pg_trigger t on t.tgrelid = this.oid where not t.tgisinternal
    union all
    -- When they fire; o, as all are made: at the source of a change and not where it is replicated to.
    select 44, format('rule %I', r.rulename), format('alter table %s %s rule %I', name, s.word, r.rulename)
    from this join pg_catalog.pg_rewrite r on r.ev_class = this.oid join states s on s.state = r.ev_enabled
    where this.relkind in ('r', 'p')
    union all
    select 44, format('trigger %I', t.tgname), format('alter table %s %s trigger %I', name, s.word, t.tgname)
    from this join pg_catalog.pg_trigger t on t.tgrelid = this.oid join states s on s.state = t.tgenabled
    where this.relkind in ('r', 'p') and not t.tgisinternal
    union all
    select 42, format('policy %I', p.polname),
           format('create policy %I on %s as %s for %s to %s%s%s', p.polname, name,
                  case when p.polpermissive then 'permissive' else 'restrictive' end,
                  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
                  (select string_agg(case when r = 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(r)) end, ', ') from unnest(p.polroles) r),
                  coalesce(' using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ''),
                  coalesce(' with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''))
    from this join pg_catalog.pg_policy p on p.polrelid = this.oid
    union all
    select 43, 'row security', format('alter table %s enable row level security', name) from this where relrowsecurity
    union all
    select 43, 'row security', format('alter table %s force row level security', name) from this where relforcerowsecurity
    union all
    select 50, 'comment', format('comment on %s %s is %L', word, name, d.description)
    from this join pg_catalog.pg_description d on d.objoid = this.oid and d.classoid = 'pg_catalog.pg_class'::regclass and d.objsubid = 0
    union all
    select 51, format('comment on column %I', a.attname), format('comment on column %s.%I is %L', name, a.attname, d.description)
    from this join pg_catalog.pg_description d on d.objoid = this.oid and d.classoid = 'pg_catalog.pg_class'::regclass and d.objsubid > 0
    join pg_catalog.pg_attribute a on a.attrelid = this.oid and a.attnum = d.objsubid and not a.attisdropped
    union all
    select 60, format('publication %I', p.pubname),
           format('alter publication %I add table %s%s%s', p.pubname, name,
                  coalesce((select ' (' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')'
                            from pg_catalog.pg_attribute a where a.attrelid = this.oid and a.attnum = any (r.prattrs)), ''),
                  coalesce(' where (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')', ''))
    from this join pg_catalog.pg_publication_rel r on r.prrelid = this.oid
    join pg_catalog.pg_publication p on p.oid = r.prpubid
    union all
    select 70, 'grants', format('grant %s on %s to %s%s', x.privilege_type, name,
           case when x.grantee = 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) end,
           case when x.is_grantable then ' with grant option' else '' end)
    from this, aclexplode(relacl) x
    union all
    select 71, format('grants on column %I', a.attname), format('grant %s (%I) on %s to %s%s', x.privilege_type, a.attname, name,
           case when x.grantee = 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) end,
           case when x.is_grantable then ' with grant option' else '' end)
    from this join pg_catalog.pg_attribute a on a.attrelid = this.oid and not a.attisdropped and a.attacl is not null,
         aclexplode(a.attacl) x
)
select place, about, statement from parts where place in (10, 50, 51, 70, 71) or (select same from this)
order by place, about
