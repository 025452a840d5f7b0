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

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_fails_its_model_and_skips_what_is_below() {
    let shop = Shop::open("models_cli_fault").await;
    shop.write("models/bad.sql", "select {{ nothing( }}");
    shop.write("models/below.sql", "select * from {{ ref('bad') }}");
    let run = async |verb: &str| {
        let mut command = shop.bench.amalgam();
        command.args(["models", verb, "--format", "json", "--project-dir"]).arg(shop.root());
        let output = command.output().await.expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{verb}: {errors}");
        assert!(errors.contains("models/bad.sql:1: syntax error"), "{verb}: {errors}");
        output.stdout
    };
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&run("build").await).expect("JSON");
    let mut told: Vec<(&str, &str, &str)> = rows
        .iter()
        .filter_map(|r| Some((r["model"].as_str()?, r["status"].as_str()?, r["reason"].as_str()?)))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [("bad", "failed", "model_render"), ("below", "skipped", "bad failed"), ("pay", "built", "never built")]
    );
    for verb in ["ls", "compile"] {
        run(verb).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_without_a_model_whose_file_is_wrong() {
    let shop = Shop::open("models_run_fault").await;
    shop.bench.source("create table payment (id int primary key, amount decimal(9, 2), day date)").await;
    shop.bench.source("insert into payment values (1, 10, '2024-01-01')").await;
    shop.bench.warehouse("drop table raw.payment; delete from amalgam.table_state").await;
    shop.write("models/bad.sql", "select {{ nothing( }}");
    shop.write("models/below.sql", "select * from {{ ref('bad') }}");
    let models = format!("[models]\nproject_dir = {:?}", shop.root());
    let output = shop.bench.amalgam_with(&models).arg("run").output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let doctor = shop.bench.amalgam_with(&models).arg("doctor").output().await.expect("it runs");
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("models/bad.sql:1: syntax error"));
    let look =
        "select subject || ' ' || state || coalesce(' ' || substr(error, 1, 31), '') from amalgam.task order by 1";
    let tasks = shop.bench.texts(look).await.into_iter().flatten().flatten().collect::<Vec<_>>();
    assert_eq!(
        tasks,
        [
            "model.p.bad failed models/bad.sql:1: syntax error:",
            "model.p.below skipped model bad failed: models/bad.sq",
            "model.p.pay succeeded",
            "payment succeeded",
        ]
    );
}
