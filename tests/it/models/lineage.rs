//! What models and columns come from, as PostgreSQL itself knows it, and as it is shown and kept.

use super::{Shop, id, practice::Office};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Columns of relations that a view names: schema, relation, column; PostgreSQL keeps them to know what hangs on what.
const NAMED: &str = "
    select distinct s.nspname || '.' || c.relname, a.attname::text
    from pg_rewrite r
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
    join pg_class c on c.oid = d.refobjid
    join pg_namespace s on s.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid and d.refobjsubid > 0
    where r.ev_class = 'looked_at.one'::regclass";

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_this_repositorys_models_come_from_what_postgresql_says_their_queries_name() {
    let Office { bench, models, .. } = Office::open("lineage_of_repository").await;
    let nodes = models.nodes();
    for node in &nodes {
        models.build(&node.id, false).await.unwrap_or_else(|e| panic!("{}: {e}", node.id));
    }
    let lineage = models.lineage().await.expect("it is drawn");
    models.record_lineage(&lineage).await.expect("it is kept");
    let json = lineage.json();
    let relations: BTreeMap<String, String> = bench
        .texts("select node_id, replace(relation, '\"', '') from amalgam.lineage_node where relation is not null")
        .await
        .into_iter()
        .filter_map(|row| Some((row[0].clone()?, row[1].clone()?)))
        .collect();
    bench.warehouse("create schema looked_at").await;
    let (mut followed, mut named_in_all, mut never_a_value) = (0, 0, BTreeSet::new());
    for node in &nodes {
        let told = lineage.node(node.id.as_str()).expect("every model is drawn");
        if told.kind != "model" {
            continue;
        }
        assert_eq!(told.unresolved, [""; 0], "{}", node.id);
        // What its query names, be it a view or a table.
        let sql = models.compile(&node.id).expect("it compiles");
        bench.warehouse(&format!("create view looked_at.one as {sql}")).await;
        let rows = bench.texts(NAMED).await;
        let columns = "select string_agg(attname, ' ' order by attnum) from pg_attribute
            where attrelid = 'looked_at.one'::regclass and attnum > 0";
        let columns = bench.text(columns).await;
        bench.warehouse("drop view looked_at.one").await;

        let relation = |id: &str| relations.get(id).cloned().unwrap_or_else(|| panic!("{id} is not in the catalog"));
        let reads: BTreeSet<String> = told.reads.iter().map(|id| relation(id)).collect();
        let depends: BTreeSet<String> = rows.iter().filter_map(|row| row[0].clone()).collect();
        assert_eq!(reads, depends, "{}", node.id);
        assert_eq!(told.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(" "), columns);

        let named: BTreeSet<(String, String)> =
            rows.iter().filter_map(|row| Some((row[0].clone()?, row[1].clone()?))).collect();
        let mut used = BTreeSet::new();
        for column in &told.columns {
            assert_eq!(column.unresolved, [""; 0], "{}.{}", node.id, column.name);
            used.extend(column.from.iter().map(|from| (relation(&from.node), from.column.clone())));
        }
        used.extend(told.rows.iter().map(|from| (relation(&from.node), from.column.clone())));
        let invented: Vec<_> = used.difference(&named).collect();
        assert!(invented.is_empty(), "{} does not name {invented:?}", node.id);
        followed += used.len();
        named_in_all += named.len();
        never_a_value.extend(named.difference(&used).map(|(of, column)| format!("{}: {of}.{column}", told.name)));
    }
    assert!(followed > 100, "{followed} of {named_in_all}");
    // Columns that a query names on its way and makes nothing of.
    assert_eq!(never_a_value, BTreeSet::new());
    assert_eq!(json["nodes"].as_object().map(serde_json::Map::len), Some(lineage.ids().count()));
}

const EXPOSURES: &str = "
exposures:
  - name: board
    type: dashboard
    owner: {email: who@clinic.example}
    depends_on: [ref('total')]
";

fn project(shop: &Shop) {
    shop.write("models/half.sql", "{{ config(materialized='ephemeral') }} select id, amount / 2 as half from {{ ref('pay') }} where day > '2020-01-01'");
    shop.write(
        "models/total.sql",
        "{{ config(materialized='table') }} select id, sum(half) as total from {{ ref('half') }} group by id",
    );
    shop.write("models/odd.sql", "select id as one, (t).* from {{ ref('total') }} t");
    shop.write("models/exposures.yml", EXPOSURES);
}

/// The lines of a node in the warehouse's catalog.
async fn kept(shop: &Shop, node: &str) -> Vec<String> {
    let sql = format!(
        "select concat_ws(' ', column_name, way, from_node, from_column, reason) from amalgam.column_lineage
         where node_id = '{node}' order by 1"
    );
    shop.bench.texts(&sql).await.into_iter().flatten().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_build_keeps_what_its_columns_come_from() {
    let shop = Shop::open("models_lineage_kept").await;
    project(&shop);
    for name in ["pay", "total", "odd"] {
        shop.build(name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let total = ["id direct model.p.half id", "rows model.p.half id", "total transformed model.p.half half"];
    assert_eq!(kept(&shop, "model.p.total").await, total);
    // What became a part of it is a node of its own.
    let half = ["half transformed model.p.pay amount", "id direct model.p.pay id", "rows model.p.pay day"];
    assert_eq!(kept(&shop, "model.p.half").await, half);
    let reads = "select string_agg(node_id || ' < ' || reads, ', ' order by node_id) from amalgam.model_lineage";
    assert_eq!(
        shop.bench.text(reads).await,
        "model.p.half < model.p.pay, model.p.odd < model.p.total, model.p.pay < source.p.od.payment, model.p.total < model.p.half"
    );
    // What can't be followed says so, and was built all the same.
    let odd = kept(&shop, "model.p.odd").await;
    assert!(odd.iter().any(|line| line.contains("unresolved")), "{odd:?}");

    // A column that no query gives any more says so; one that changed is followed anew.
    let before = shop.bench.text("select xmin from amalgam.lineage_node where node_id = 'model.p.total'").await;
    shop.load().expect("a good project").build(&id("total"), true).await.expect("it builds");
    let after = shop.bench.text("select xmin from amalgam.lineage_node where node_id = 'model.p.total'").await;
    assert_eq!(before, after, "what says the same is not written again");
    shop.write(
        "models/total.sql",
        "{{ config(materialized='table') }} select id, max(id) over () as total from {{ ref('half') }}",
    );
    shop.build("total").await.expect("it builds");
    let total = ["id direct model.p.half id", "total transformed model.p.half id"];
    assert_eq!(kept(&shop, "model.p.total").await, total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_goes_on_where_its_lineage_cannot_be_kept() {
    let shop = Shop::open("models_lineage_lost").await;
    shop.bench.warehouse("alter table amalgam.lineage_node rename to gone").await;
    assert!(shop.build("pay").await.expect("it builds").built);
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.pay").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_columns_and_exposures_and_docs_write_them() {
    let shop = Shop::open("models_lineage_told").await;
    project(&shop);
    let run = async |words: &[&str]| {
        let output = shop.models(words).output().await.expect("it runs");
        let (out, errors) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        (output.status.code(), out, errors)
    };
    // Nothing was built: columns are those that queries name.
    shop.write(
        "models/sources.yml",
        &super::SOURCES
            .replace("name: payment\n", "name: payment\n        columns: [{name: id}, {name: amount}, {name: day}]\n"),
    );
    let (status, out, errors) = run(&["lineage", "--column", "pay.amount"]).await;
    assert_eq!(status, Some(0), "{errors}");
    let expected = "model.p.pay.amount
  comes from
    source.p.od.payment.amount (direct)
  goes to
    model.p.half.half (transformed)
    model.p.total.total (transformed)
  exposures
    exposure.p.board
";
    assert_eq!(out, expected);
    let (_, out, _) = run(&["lineage", "--column", "pay.day", "--output", "json"]).await;
    let column: Json = serde_json::from_str(&out).expect("JSON");
    assert_eq!(column["rows_decided"], serde_json::json!(["model.p.half"]));
    let (status, _, errors) = run(&["lineage", "--column", "pay.nothing"]).await;
    assert_eq!(status, Some(2), "{errors}");
    assert!(errors.contains("pay has no column 'nothing'; those that are known: id, amount, day"), "{errors}");
    let (_, out, _) = run(&["lineage", "--select", "total"]).await;
    let expected = "model.p.total
  reads
    model.p.half
  read by
    exposure.p.board
    model.p.odd
  exposures
    exposure.p.board
  rows by
    model.p.half.id
  id <- model.p.half.id (direct)
  total <- model.p.half.half (transformed)
";
    assert_eq!(out, expected);

    for name in ["pay", "total", "odd"] {
        shop.build(name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let (status, _, errors) = run(&["docs", "generate"]).await;
    assert_eq!(status, Some(0), "{errors}");
    let written = std::fs::read_to_string(shop.root().join("target/lineage.json")).expect("it is written");
    let written: Json = serde_json::from_str(&written).expect("JSON");
    let (_, shown, _) = run(&["lineage", "--output", "json"]).await;
    let shown: Json = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(written["columns"], shown["columns"]);
    assert!(written["columns"].as_array().is_some_and(|columns| columns.len() >= 7), "{}", written["columns"]);
    let kinds = "select string_agg(kind || ' ' || name, ', ' order by kind, name) from amalgam.lineage_node";
    let all = "exposure board, model half, model odd, model pay, model total, source payment";
    assert_eq!(shop.bench.text(kinds).await, all);
    // What is gone from the project is forgotten.
    std::fs::remove_file(shop.root().join("models/odd.sql")).expect("it was there");
    run(&["docs", "generate"]).await;
    assert_eq!(shop.bench.text(kinds).await, all.replace(" model odd,", ""));
}
