//! Tests that are counted together say what each says alone.

use super::Shop;
use amalgam::{
    domain::ModelId,
    models::{Selection, TestStatus, TestVerdict},
};
use std::collections::{BTreeMap, BTreeSet};

const ROWS: &str = "{{ config(materialized='table') }}
select * from (values
  (1, 'a', 10.0, 1.0::float8, 'x'), (2, 'b', 20.0, 'NaN', null), (2, 'b', 20.0, 'NaN', 'y'), (null, 'z', null, null, 'y'),
  (5, 'Z', -3.0, 0.0, 'x''y'), (6, null, 10.0, 'infinity', '')
) v (id, k, amount, f, \"Odd Name\")";

/// Each with each of these.
const CONFIGS: &[&str] = &[
    "",
    "where: 'amount <> 10'",
    "where: \"k = 'a' or id > 4\"",
    "severity: warn",
    "limit: 1",
    "limit: 2, severity: warn, where: 'id is not null'",
    "warn_if: '>1', error_if: '> 2'",
    "warn_if: '>= 1 and count(*) < 9', error_if: '>1000'",
    "fail_calc: 'count(*) * 2 + 1'",
    "fail_calc: 'coalesce(nullif(count(*), 1), 7)'",
    "fail_calc: 'max(1)'",
    "where: '1 / (amount - 10) < 100'",
    "where: nothing_there > 1",
];

const TESTS: &[&str] = &[
    "not_null: {column_name: id",
    "not_null: {column_name: k",
    "not_null: {column_name: '\"Odd Name\"'",
    "not_null: {column_name: nothing_there",
    "unique: {column_name: id",
    "unique: {column_name: k",
    "unique: {column_name: f",
    "unique: {column_name: \"k || '-' || id\"",
    "accepted_values: {column_name: k, values: [a, b]",
    "accepted_values: {column_name: k, values: [a, b, z, Z]",
    "accepted_values: {column_name: '\"Odd Name\"', values: [x, \"x''y\"]",
    "accepted_values: {column_name: amount, values: [10, 20], quote: false",
    "accepted_values: {column_name: amount, values: [10, null], quote: false",
    "accepted_values: {column_name: f, values: ['NaN', '1']",
    "accepted_values: {column_name: id, values: [a]",
    "relationships: {column_name: id, to: ref('other'), field: id",
    "relationships: {column_name: amount, to: ref('other'), field: id",
    "relationships: {column_name: k, to: ref('other'), field: id",
    "holds: {expression: 'amount > 0'",
    "holds: {expression: '1 / (amount - 10) < 5'",
    "holds: {expression: 'random() >= 0'",
    "holds: {expression: \"f <> 'NaN'\"",
    "holds: {expression: 'amount > (select min(id) from {{ ref(\"other\") }})'",
    "holds: {expression: 'id is not distinct from amount'",
    "holds: {expression: \"k ~* '^[ab]' and k like 'a%'\"",
    "holds: {expression: 'amount + 1 > 0) or (true'",
    "holds: {expression: 'rows is not null'",
    "holds: {expression: 'ctid is not null'",
    "holds: {expression: 'coalesce(length(k), 0) = 1 -- it ends here'",
];

const SINGULAR: &[&str] = &[
    "select * from {{ ref('rows') }}",
    "select * from {{ ref('rows') }} where id > 2",
    "select r.id from {{ ref('rows') }} as r where r.id is not null and r.k <> 'q'",
    "select nothing_there from {{ ref('rows') }} where id is null",
    "select id, count(*) from {{ ref('rows') }} group by id having count(*) > 1",
    "select * from {{ ref('rows') }} where id is null limit 1",
    "select distinct k from {{ ref('rows') }} where k is not null",
    "select * from {{ ref('rows') }} where id = 2 union all select * from {{ ref('rows') }}",
    "select * from {{ ref('rows') }} where id = 1;",
    "select * from {{ ref('rows') }}, {{ ref('other') }} where k = 'a'",
    "with small as (select * from {{ ref('rows') }} where id < 3) select * from small where k = 'b'",
    "{% set n = run_query('select 1 / 0') %} select * from {{ ref('rows') }} where id > 2",
    "{% set n = run_query('select 2').columns[0].values()[0] %} select * from {{ ref('rows') }} where id > {{ n }}",
    "select * from {{ ref('part') }} where id > 1",
];

/// What each test said, without how long it took; by name.
async fn said(shop: &Shop) -> BTreeMap<String, TestVerdict> {
    let models = shop.load().expect("a good project");
    let all = models.find(&Selection::default(), None).expect("all of it");
    let tests: Vec<ModelId> = all.ids.iter().filter(|id| id.starts_with("test.")).map(ModelId::new).collect();
    let verdicts = models.test(&tests).await.expect("the warehouse answers");
    verdicts.into_iter().map(|verdict| (verdict.name.clone(), TestVerdict { seconds: 0.0, ..verdict })).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_say_together_what_each_says_alone() {
    let shop = Shop::open("models_shared_scans").await;
    shop.write("models/rows.sql", ROWS);
    shop.write("models/other.sql", "select * from (values (1), (1), (6), (null)) v (id)");
    shop.write("models/part.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('rows') }}");
    shop.write(
        "tests/generic/holds.sql",
        "{% test holds(model, expression) %}\nselect * from {{ model }} where not ({{ expression }})\n{% endtest %}",
    );
    let mut properties = "models:\n  - name: rows\n    data_tests:\n".to_owned();
    for (row, test) in TESTS.iter().enumerate() {
        for (column, config) in CONFIGS.iter().enumerate() {
            properties += &format!("      - {test}, name: t_{row}_{column}, config: {{{config}}}}}\n");
        }
    }
    shop.write("models/rows.yml", &properties);
    for (at, sql) in SINGULAR.iter().enumerate() {
        shop.write(&format!("tests/singular_{at}.sql"), sql);
    }
    for model in ["rows", "other"] {
        // Its own tests are to fail here: what is published is what is tested.
        shop.bench.warehouse("create schema if not exists analytics_marts").await;
        let sql = shop.load().expect("good").compile(&super::id(model)).expect("plain SQL");
        shop.bench.warehouse(&format!("create table analytics_marts.{model} as {sql}")).await;
    }
    let together = said(&shop).await;
    // A project that writes a test's query by itself has each run alone.
    shop.write(
        "macros/alone.sql",
        "{% macro default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    select {{ fail_calc }} as failures, {{ fail_calc }} {{ warn_if }} as should_warn, {{ fail_calc }} {{ error_if }} as should_error
    from (
{{ main_sql }}
{{ 'limit ' ~ limit if limit is not none else '' }}
    ) dbt_internal_test
{%- endmacro %}",
    );
    let alone = said(&shop).await;
    assert_eq!(together.len(), TESTS.len() * CONFIGS.len() + SINGULAR.len());
    let differing: Vec<_> = together.iter().filter(|(name, verdict)| alone.get(*name) != Some(verdict)).collect();
    let first = differing.first().map(|(name, verdict)| (verdict, &alone[*name]));
    assert!(differing.is_empty(), "{} of {}: {first:?}", differing.len(), together.len());
    let kinds: BTreeSet<&str> = together.values().map(|verdict| verdict.status.as_str()).collect();
    let all = [TestStatus::Error, TestStatus::Fail, TestStatus::Pass, TestStatus::Warn].map(TestStatus::as_str);
    assert_eq!(kinds, BTreeSet::from(all));
}
