//! What the tests of a model say.

use super::Shop;
use amalgam::models::TestStatus;

#[tokio::test(flavor = "multi_thread")]
async fn generic_tests_count_as_dbt_does() {
    let shop = Shop::open("models_generic").await;
    shop.bench
        .warehouse("insert into raw.payment values (2, 20, null), (2, 30, null), (7, null, null), (null, 1, null)")
        .await;
    shop.write("models/parent.sql", "select id from (values (1), (7)) v (id)");
    shop.write(
        "models/m.yml",
        "models:
  - name: pay
    columns:
      - name: id
        tests:
          - unique: {severity: warn}
          - not_null: {severity: warn}
          - not_null: {name: only_cheap, config: {severity: warn, where: 'amount > 5'}}
          - relationships: {to: ref('parent'), field: id, severity: warn}
      - name: amount
        tests:
          - accepted_values: {values: [10, 20], quote: false, severity: warn}
          - accepted_values: {arguments: {values: ['10', '20', '1', '30']}, name: quoted, config: {error_if: '> 5'}}
",
    );
    shop.build("parent").await.expect("built");
    let outcome = shop.build("pay").await.expect("only warnings");
    let said: Vec<(&str, TestStatus, i64)> =
        outcome.tests.iter().map(|t| (t.name.as_str(), t.status, t.failures)).collect();
    assert_eq!(
        said,
        [
            ("unique_pay_id", TestStatus::Warn, 1),
            ("not_null_pay_id", TestStatus::Warn, 1),
            ("only_cheap", TestStatus::Pass, 0),
            ("relationships_pay_id__id__ref_parent_", TestStatus::Warn, 3),
            ("accepted_values_pay_amount__False__10__20", TestStatus::Warn, 2),
            ("quoted", TestStatus::Pass, 0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_are_kept_outlive_the_version_that_is_not_published() {
    let shop = Shop::open("models_stored").await;
    shop.bench.warehouse("insert into raw.payment values (2, 20, null), (2, 30, null), (null, null, null)").await;
    shop.write(
        "models/m.yml",
        "models:
  - name: pay
    columns:
      - name: id
        tests:
          - unique: {config: {store_failures: true}}
          - not_null: {config: {store_failures_as: view, severity: warn, alias: no_id}}
      - name: amount
        tests:
          - accepted_values: {arguments: {values: [10]}, name: cheap, config: {store_failures: true, limit: '1'}}
",
    );
    shop.write("dbt_project.yml", "name: p\ntests: {+schema: found}\nmodels: {p: {+materialized: table}}\n");
    let error = shop.build("pay").await.expect_err("its tests fail");
    assert_eq!(error.to_string(), "pay: tests failed: unique_pay_id (1 failure), cheap (1 failure)");
    let found = || async {
        let unique = shop.bench.text("select string_agg(t::text, ' ') from analytics_found.unique_pay_id t").await;
        (unique, shop.bench.text("select count(*)::text from analytics_found.cheap").await)
    };
    assert_eq!(found().await, ("(2,3)".to_owned(), "1".to_owned()));

    // What a view shows is what is published; the next time finds other rows.
    shop.touch("delete from raw.payment where day is null and id = 2").await;
    shop.write(
        "dbt_project.yml",
        "name: p\ntests: {+schema: found, +severity: warn}\nmodels: {p: {+materialized: table}}\n",
    );
    shop.build("pay").await.expect("only warnings");
    assert_eq!(shop.bench.text("select count(*)::text from analytics_found.no_id").await, "1");
    assert_eq!(shop.bench.text("select count(*)::text from analytics_found.unique_pay_id").await, "0");
    assert_eq!(shop.bench.text("select count(*)::text from analytics_found.cheap").await, "1");
}
