//! What lies in a warehouse: relations with columns, indexes, comments, grants and rows.

use super::{project::Project, side::Seen};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Rows that are kept to show a difference by; the checksum is over all.
const ROWS_KEPT: u32 = 500;

/// Each relation's name as SQL, its name in the report, and an aspect with its text. Amalgam's own schema is no
/// part of a project. Names of indexes and constraints are left out: dbt makes them of clocks and hashes.
const ASPECTS: &str = r"
with rel as (
    select c.*, n.nspname, format('%I.%I', n.nspname, c.relname) as sql, n.nspname || '.' || c.relname as name
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'v', 'm', 'p', 'f') and n.nspname not in ('information_schema', 'amalgam')
      and n.nspname not like 'pg\_%'
)
select sql, name, 'kind', case relkind when 'r' then 'table' when 'v' then 'view' when 'm' then 'materialized view' else relkind::text end
    || case relpersistence when 'u' then ', unlogged' else '' end
    || coalesce(' with ' || array_to_string(reloptions, ', '), '')
from rel
union all
select sql, name, 'columns', string_agg(format('%I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' end, ' default ' || pg_get_expr(d.adbin, d.adrelid)), E'\n' order by a.attnum)
from rel join pg_attribute as a on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
group by sql, name
union all
select sql, name, 'indexes', string_agg(def, E'\n' order by def)
from rel join pg_index as i on i.indrelid = rel.oid,
    regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX .* USING ', ' INDEX USING ') as def
group by sql, name
union all
select sql, name, 'constraints', string_agg(pg_get_constraintdef(k.oid), E'\n' order by pg_get_constraintdef(k.oid))
from rel join pg_constraint as k on k.conrelid = rel.oid
group by sql, name
union all
select sql, name, 'comments', string_agg(coalesce(a.attname || ': ', '') || d.description, E'\n' order by d.objsubid)
from rel join pg_description as d on d.objoid = rel.oid and d.classoid = 'pg_class'::regclass
left join pg_attribute as a on a.attrelid = d.objoid and a.attnum = d.objsubid and d.objsubid > 0
group by sql, name
union all
select sql, name, 'grants', string_agg(acl.privilege_type || ' to ' || coalesce(r.rolname, 'public'), E'\n'
    order by acl.privilege_type, r.rolname)
from rel cross join aclexplode(rel.relacl) as acl left join pg_roles as r on r.oid = acl.grantee
where acl.grantee <> rel.relowner
group by sql, name
order by 1, 3";

async fn texts(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    let row_of = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|n| row.get(n).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    };
    messages.into_iter().filter_map(row_of).collect()
}

/// Notes all there is.
pub(super) async fn look(client: &Client, project: &Project, place: &str, seen: &mut Seen) {
    for row in texts(client, ASPECTS).await {
        let [sql, name, aspect, text] = row.as_slice() else { panic!("four columns are asked for") };
        if aspect == "kind" {
            seen.insert(format!("{place} relation {name}"), "there".to_owned());
            let rows = rows(client, sql, project.masks(name)).await;
            seen.insert(format!("{place} relation {name}: rows"), rows);
        }
        seen.insert(format!("{place} relation {name}: {aspect}"), text.clone());
    }
}

/// How many rows, a checksum in which their order has no part, and the first of them in the order of their text.
async fn rows(client: &Client, relation: &str, masks: &[String]) -> String {
    let columns = texts(
        client,
        &format!(
            "select quote_ident(attname), attname from pg_attribute where attrelid = '{}'::regclass \
             and attnum > 0 and not attisdropped order by attnum",
            relation.replace('\'', "''")
        ),
    )
    .await;
    let cells: Vec<String> = columns
        .iter()
        .map(|column| if masks.contains(&column[1]) { format!("{} is null", column[0]) } else { column[0].clone() })
        .collect();
    let lines = format!("select row({})::text as line from {relation}", cells.join(", "));
    let whole = format!("select count(*), coalesce(sum(hashtextextended(line, 0)::numeric), 0) from ({lines}) as l");
    // A view over what is gone can't be read; that is seen, too.
    let whole = match client.simple_query(&whole).await {
        Ok(_) => texts(client, &whole).await,
        Err(error) => return error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned()),
    };
    let first = texts(client, &format!("{lines} order by 1 limit {ROWS_KEPT}")).await;
    let mut all = vec![format!("{} rows, checksum {}", whole[0][0], whole[0][1])];
    all.extend(first.into_iter().flatten());
    all.join("\n")
}
