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
