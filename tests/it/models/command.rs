//! The command, and its selections.

use super::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn selections_mean_what_they_mean_to_dbt() {
    let shop = Shop::open("models_select").await;
    shop.write(
        "models/marts/a.sql",
        "{{ config(materialized='table', tags=['daily']) }} select * from {{ ref('pay') }}",
    );
    shop.write("models/marts/b.sql", "select * from {{ ref('a') }}");
    let models = shop.load().expect("a good project");
    let names = |select: &[&str], exclude: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let ids = models.select(&owned(select), &owned(exclude)).expect("a good selection");
        ids.iter().map(|id| id.as_str().trim_start_matches("model.p.").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[], &[]), ["pay", "a", "b"]);
    assert_eq!(names(&["+a"], &[]), ["pay", "a"]);
    assert_eq!(names(&["a+"], &["b"]), ["a"]);
    assert_eq!(names(&["1+b"], &[]), ["a", "b"]);
    assert_eq!(names(&["marts,tag:daily"], &[]), ["a"]);
    assert_eq!(names(&["path:models/marts"], &[]), ["a", "b"]);
    assert_eq!(names(&["config.materialized:view"], &[]), ["pay", "b"]);
    assert_eq!(names(&["source:od+"], &["tag:*"]), ["pay", "b"]);
    let error = models.select(&["pai".to_owned()], &[]).expect_err("no such model");
    assert!(error.to_string().contains("did you mean 'pay'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_model_skips_only_what_is_below_it() {
    let shop = Shop::open("models_cli").await;
    shop.write("models/bad.sql", "select 1 / 0 as x from {{ source('od', 'payment') }}");
    shop.write(
        "models/bad_table.sql",
        "{{ config(materialized='table') }} select 1 / 0 as x from {{ source('od', 'payment') }}",
    );
    shop.write("models/below.sql", "select * from {{ ref('bad_table') }}");
    let mut command = shop.bench.amalgam();
    command.args(["models", "build", "--format", "json", "--project-dir"]).arg(shop.root());
    let output = command.output().await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}{errors}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said).expect("JSON");
    let mut status: Vec<(&str, &str)> =
        rows.iter().filter_map(|r| Some((r["model"].as_str()?, r["status"].as_str()?))).collect();
    status.sort_unstable();
    assert_eq!(status, [("bad", "built"), ("bad_table", "failed"), ("below", "skipped"), ("pay", "built")]);
}
