//! Unit tests: what stands in for what a model reads, what is said of the rows, and what that means for the model.

use super::{Shop, id};
use amalgam::{
    domain::ModelId,
    error::{Error, Kind},
    models::{BuildOptions, BuildOutcome, Selection, TestChoice, TestStatus, TestVerdict, Told},
};
use std::collections::BTreeSet;

impl Shop {
    async fn build_told(&self, name: &str, tests: TestChoice) -> (Result<BuildOutcome, Error>, Vec<TestVerdict>) {
        let mut told = Told::default();
        let options = BuildOptions { tests, ..BuildOptions::default() };
        let models = self.load().expect("a good project");
        let outcome = models.build_telling(&id(name), &options, &mut told).await;
        (outcome, told.units)
    }

    /// A model's unit tests, run alone.
    async fn units_alone(&self, name: &str) -> Vec<TestVerdict> {
        let models = self.load().expect("a good project");
        let selection = Selection { select: vec![format!("{name},test_type:unit")], ..Selection::default() };
        let found = models.find(&selection, None).expect("a good selection");
        let tests: Vec<ModelId> = found.ids.iter().map(|id| ModelId::new(id.as_str())).collect();
        models.test(&tests).await.expect("the warehouse is there")
    }

    /// Names and outcomes of a model's unit tests, run alone.
    async fn units(&self, name: &str) -> Vec<String> {
        let verdicts = self.units_alone(name).await;
        verdicts.iter().map(|v| format!("{} {}{}", v.name, v.status.as_str(), said(v))).collect()
    }
}

fn said(verdict: &TestVerdict) -> String {
    verdict.message.as_ref().map_or_else(String::new, |message| format!(": {message}"))
}

const TOTALS: &str = "{{ config(materialized='table') }}
select id, sum(amount) as total from {{ ref('pay') }} group by id";

const TWICE: &str = "
unit_tests:
  - name: sums
    model: totals
    given:
      - input: ref('pay')
        rows: [{id: 1, amount: 2}, {id: 1, amount: 3.5}]
    expect:
      rows: [{id: 1, total: 5.5}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_unit_tests_fail_is_not_built_and_its_last_version_stays() {
    let shop = Shop::open("models_units_fail").await;
    shop.write("models/totals.sql", TOTALS);
    shop.write("models/units.yml", TWICE);
    shop.build("pay").await.expect("built");
    let (outcome, told) = shop.build_told("totals", TestChoice::All).await;
    assert!(outcome.expect("as expected").built);
    assert_eq!(told[0].id.as_str(), "unit_test.p.totals.sums");
    assert!(told[0].compiled.as_ref().expect("it ran").contains("from __dbt__cte__pay"), "{told:?}");

    shop.write("models/totals.sql", &TOTALS.replace("sum(", "max("));
    let (outcome, told) = shop.build_told("totals", TestChoice::All).await;
    let error = outcome.expect_err("the test finds it");
    assert_eq!((error.kind, error.to_string().as_str()), (Kind::ModelTest, "totals: unit tests failed: sums"));
    insta::assert_snapshot!(said(&told[0]), @r"
    : actual differs from expected:

    @@,id,total
    → ,1 ,5.5→3.5
    ");
    assert_eq!(shop.bench.text("select sum(total) from analytics_marts.totals").await, "30");
    assert_eq!(
        shop.bench.text("select last_error from amalgam.model_state where last_error is not null").await,
        error.to_string()
    );

    let none = BTreeSet::from([id("other")]);
    for choice in [TestChoice::These(none), TestChoice::None] {
        let (outcome, told) = shop.build_told("totals", choice).await;
        assert!(outcome.is_ok() && told.is_empty(), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_test_that_changes_is_a_reason_to_build() {
    let shop = Shop::open("models_units_changed").await;
    shop.write("models/totals.sql", TOTALS);
    shop.write("models/units.yml", TWICE);
    shop.build("pay").await.expect("built");
    shop.build("totals").await.expect("built");
    assert_eq!(shop.reason("totals").await, "");
    shop.write("models/units.yml", &TWICE.replace("3.5", "4").replace("5.5", "6"));
    assert_eq!(shop.reason("totals").await, "its tests changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_model_reads_can_be_stood_in_for() {
    let shop = Shop::open("models_units_given").await;
    shop.write(
        "models/part.sql",
        "{{ config(materialized='ephemeral') }} select id, 'x' as word from {{ ref('pay') }}",
    );
    shop.write("macros/shout.sql", "{% macro shout(word) %}upper({{ word }}){% endmacro %}");
    shop.write("seeds/names.csv", "id,name\n1,ann\n2,bob\n");
    shop.write(
        "models/all.sql",
        "{{ config(materialized='incremental') }}
         select p.id, {{ shout('part.word') }} as word, n.name, '{{ var('v', 'none') }}{{ env_var('UNSET', '-') }}' as said
         from {{ source('od', 'payment') }} as p join {{ ref('part') }} as part using (id) join {{ ref('names') }} as n using (id)
         {% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}",
    );
    shop.write("tests/fixtures/payments.csv", "id,amount\n1,5\n2,\n");
    shop.write(
        "models/units.yml",
        "
unit_tests:
  - name: later
    model: all
    overrides:
      macros: {is_incremental: true, shout: \"'quiet'\"}
      vars: {v: set}
      env_vars: {UNSET: also}
    given:
      - {input: \"source('od', 'payment')\", format: csv, fixture: payments}
      - {input: ref('part'), rows: [{id: 1}, {id: 2}]}
      - {input: ref('names')}
      - {input: this, rows: [{id: 1}]}
    expect: {rows: [{id: 2, word: quiet, name: bob, said: setalso}]}
  - name: first
    model: all
    overrides: {macros: {is_incremental: false}}
    given:
      - {input: \"source('od', 'payment')\", format: sql, rows: \"select 1 as id\"}
      - {input: ref('part'), rows: [{id: 1, word: loud}]}
      - {input: ref('names'), format: csv, rows: \"id,name\\n1,eve\"}
    expect: {format: sql, rows: \"select 1 as id, 'LOUD' as word, 'eve' as name, 'none-' as said\"}
  - name: silent
    model: all
    given: []
    expect: {rows: []}
  - name: without_this
    model: all
    overrides: {macros: {is_incremental: true}}
    given: []
    expect: {rows: []}
",
    );
    let seed = amalgam::domain::ModelId::new("seed.p.names");
    shop.load().expect("good").build(&seed, false).await.expect("built");
    shop.build("pay").await.expect("built");
    // Neither the model nor the ephemeral one are relations: their columns come from their queries.
    let told = shop.units("all").await;
    assert_eq!(told[..2], ["all::first pass", "all::later pass"]);
    assert!(told[2].contains("is_incremental()") && told[3].contains("give rows of the input `this`"), "{told:?}");
    assert_eq!(shop.load().expect("the others are right").faults().len(), 2);
    let (outcome, _) = shop.build_told("all", TestChoice::All).await;
    assert!(outcome.expect_err("two can't be used").to_string().ends_with("failed: silent, without_this"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_is_tested_by_itself() {
    let shop = Shop::open("models_units_versions").await;
    for (version, sign) in [(1, "+"), (2, "-")] {
        shop.write(&format!("models/v_v{version}.sql"), &format!("select 5 {sign} id as n from {{{{ ref('pay') }}}}"));
    }
    shop.write(
        "models/units.yml",
        "
models:
  - {name: v, latest_version: 2, versions: [{v: 1}, {v: 2}]}
unit_tests:
  - name: both
    model: v
    given: [{input: ref('pay'), rows: [{id: 1}]}]
    expect: {rows: [{n: 6}]}
  - name: newer
    model: v
    versions: {exclude: [1]}
    given: [{input: ref('pay'), rows: [{id: 1}, {id: 2}]}]
    expect: {rows: [{n: 3}, {n: 4}]}
",
    );
    shop.build("pay").await.expect("built");
    assert_eq!(shop.units("v.v1").await, ["v::both_v1 pass"]);
    let told = shop.units("v.v2").await;
    assert!(told[0].starts_with("v::both_v2 fail") && told[1] == "v::newer_v2 pass", "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_unit_test_is_its_models_failure_alone() {
    let shop = Shop::open("models_units_wrong").await;
    shop.write("models/totals.sql", TOTALS);
    shop.build("pay").await.expect("built");
    for (from, to, expected) in [
        ("id: 1, amount: 2", "idd: 1", "there is no column 'idd' in 'pay'"),
        ("total: 5.5", "sum: 5", "there is no column 'sum' in expected output"),
        ("amount: 2", "amount: x", "SQLSTATE 22P02"),
        ("ref('pay')", "ref('pai')", "did you mean 'pay'?"),
        ("ref('pay')", "source('od', 'payment')", "ref('pay'): the unit test gives no rows for it"),
    ] {
        shop.write("models/units.yml", &TWICE.replace(from, to));
        let verdicts = shop.units_alone("totals").await;
        assert_eq!(verdicts[0].status, TestStatus::Error, "{to}");
        assert!(said(&verdicts[0]).contains(expected), "{to}: {}", said(&verdicts[0]));
        shop.build("pay").await.expect("another model");
    }
    shop.write("models/units.yml", &TWICE.replace("model: totals", "model: total"));
    let error = shop.load().expect_err("nobody knows the model").to_string();
    assert_eq!(error, "models/units.yml: unit test sums: there is no model 'total'; did you mean 'totals'?");
    shop.write("models/totals.sql", &format!("{{{{ config(enabled=false) }}}} {TOTALS}"));
    shop.write("models/units.yml", TWICE);
    shop.load().expect("a disabled model has no unit tests");
}
