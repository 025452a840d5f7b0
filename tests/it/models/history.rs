//! What each build of a model leaves, and what is told of one that is not as usual.

use super::{Shop, id};
use amalgam::domain::unusual::BUILDS_MIN;
use serde_json::Value as Json;

const NUMBERS: &str = "{{ config(materialized='table') }} select n from generate_series(1, (select max(amount)::int from {{ ref('pay') }})) n";

impl Shop {
    /// What `amalgam models history` says, newest first.
    async fn builds(&self, words: &[&str]) -> Vec<Json> {
        let all: Vec<&str> = ["history", "--format", "json"].into_iter().chain(words.iter().copied()).collect();
        let output = self.models(&all).output().await.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_leaves_its_sql_rows_and_bytes_and_a_failure_what_went_wrong() {
    let shop = Shop::open("models_history").await;
    shop.write("models/numbers.sql", NUMBERS);
    shop.build("pay").await.expect("it builds");
    shop.build("numbers").await.expect("it builds");
    assert!(!shop.build("numbers").await.expect("it is looked at").built, "what is not built leaves nothing");
    shop.load().expect("a good project").build(&id("numbers"), true).await.expect("it builds");
    shop.write("models/numbers.sql", "{{ config(materialized='table') }} select 1 / 0 as n");
    shop.build("numbers").await.expect_err("it can't");
    shop.write("models/numbers.sql", "{{ config(materialized='table') }} select {{ nothing( }}");
    shop.build("numbers").await.expect_err("it can't");

    let builds = shop.builds(&["--select", "numbers"]).await;
    let told = |key: &str| builds.iter().map(|build| build[key].clone()).collect::<Vec<_>>();
    assert_eq!(told("outcome"), ["failed", "failed", "published", "published"]);
    assert_eq!(told("kind"), [Json::Null, "full".into(), "full".into(), "full".into()]);
    assert_eq!(told("error_kind"), ["model_render".into(), "model_sql".into(), Json::Null, Json::Null]);
    assert_eq!(told("rows"), [Json::Null, Json::Null, 20.into(), 20.into()]);
    let size = shop.bench.text("select pg_total_relation_size('analytics_marts.numbers')").await;
    assert_eq!(builds[2]["bytes"].to_string(), size);
    assert_eq!(told("reason")[1..], ["its SQL or configuration changed", "full refresh", "never built"]);
    assert!(builds[1]["sql"].as_str().is_some_and(|sql| sql.contains("select 1 / 0 as n")), "{}", builds[1]);
    assert_eq!(builds[2]["sql"], builds[3]["sql"]);
    // One text of each, however often it ran.
    assert_eq!(shop.bench.text("select count(*) from amalgam.model_sql where model_id = 'model.p.numbers'").await, "2");
    // A view is not counted.
    let builds = shop.builds(&["--select", "pay"]).await;
    assert_eq!((builds.len(), &builds[0]["rows"], &builds[0]["bytes"]), (1, &Json::Null, &Json::Null));
    assert_eq!(shop.builds(&["-n", "1"]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_of_long_ago_go_with_their_texts_but_for_the_last_ones() {
    let shop = Shop::open("models_history_kept").await;
    shop.build("pay").await.expect("it builds");
    shop.bench
        .warehouse(
            "insert into amalgam.model_build (model_id, materialized, outcome, started_at, seconds, sql_hash)
             select m, 'table', 'published', now() - make_interval(days => 200 - n), 1, 'h' || n
             from unnest(array['model.p.old', 'model.p.pay']) m, generate_series(1, 30) n;
             insert into amalgam.model_sql select model_id, sql_hash, 'select' from amalgam.model_build
             where sql_hash like 'h%'",
        )
        .await;
    let state = amalgam::state::State::new(&shop.config.warehouse);
    state.forget_builds(90, amalgam::domain::Clock::system().now()).await.expect("they are forgotten");
    let left = "select string_agg(concat_ws(' ', model_id, n, texts), ', ' order by model_id) from (
        select model_id, count(*) as n, count(t.sql) as texts from amalgam.model_build
        left join amalgam.model_sql t using (model_id, sql_hash) group by 1) x";
    // The one that was just built is young.
    assert_eq!(shop.bench.text(left).await, "model.p.old 20 20, model.p.pay 21 21");
    assert_eq!(shop.bench.text("select count(*) from amalgam.model_sql").await, "41");

    // Of one model no more than a thousand are kept, however young.
    shop.bench
        .warehouse(
            "insert into amalgam.model_build (model_id, materialized, outcome, started_at, seconds, sql_hash)
             select 'model.p.pay', 'view', 'published', now(), 1, 'many' || n % 2 from generate_series(1, 1500) n;
             insert into amalgam.model_sql values ('model.p.pay', 'many0', ''), ('model.p.pay', 'many1', '')",
        )
        .await;
    shop.write("models/pay.sql", "select id, amount, day, 1 as one from {{ source('od', 'payment') }}");
    shop.build("pay").await.expect("it builds");
    assert_eq!(shop.bench.text(left).await, "model.p.old 20 20, model.p.pay 1000 1000");
    assert_eq!(shop.bench.text("select count(*) from amalgam.model_sql where model_id = 'model.p.pay'").await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_loses_most_of_its_rows_is_told_of_until_it_has_them_again() {
    let shop = Shop::open("models_unusual").await;
    shop.write("models/numbers.sql", NUMBERS);
    shop.build("pay").await.expect("it builds");
    for amount in 30..30 + i32::try_from(BUILDS_MIN).expect("a few") {
        shop.touch(&format!("update raw.payment set amount = {amount} where id = 2")).await;
        let outcome = shop.build("numbers").await.expect("it builds");
        assert_eq!((outcome.rows, outcome.unusual), (u64::try_from(amount).ok(), vec![]));
    }
    // The medians are of 30 to 34 rows; payment 1 alone gives 10 of them, which is no tenth.
    shop.touch("delete from raw.payment where id = 2").await;
    assert_eq!(shop.build("numbers").await.expect("it builds").unusual, [""; 0]);
    let state = amalgam::state::State::new(&shop.config.warehouse);
    let told = async || {
        let models = state.model_health().await.expect("it can be asked");
        models.iter().filter(|m| m.name == "model.p.numbers").flat_map(|m| m.last.told()).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [""; 0]);

    shop.touch("update raw.payment set amount = 2").await;
    let output = shop.models(&["build", "--select", "numbers"]).output().await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("warning: numbers has 2 rows, and usually has 32"), "{said}");
    assert_eq!(told().await, ["has 2 rows, and usually has 32"]);
    assert_eq!(shop.builds(&["-n", "1"]).await[0]["unusual"], serde_json::json!(["few_rows"]));
    let output = shop.bench.amalgam().arg("status").output().await.expect("it runs");
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(status.contains("; 1 not as usual") && status.contains("model numbers is unusual"), "{status}");
    assert!(status.contains("its last build has 2 rows, and usually has 32"), "{status}");

    // A build as usual ends it.
    shop.touch("update raw.payment set amount = 40").await;
    assert_eq!(shop.build("numbers").await.expect("it builds").unusual, [""; 0]);
    assert_eq!(told().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_from_scratch_and_incremental_ones_are_kept_apart() {
    let shop = Shop::open("models_history_kinds").await;
    shop.write(
        "models/grows.sql",
        "{{ config(materialized='incremental', unique_key='id') }} select * from {{ ref('pay') }}",
    );
    shop.build("pay").await.expect("it builds");
    shop.build("grows").await.expect("it builds");
    shop.touch("insert into raw.payment values (3, 1, '2024-01-03')").await;
    shop.build("grows").await.expect("it builds");
    shop.load().expect("a good project").build(&id("grows"), true).await.expect("it builds");
    let builds = shop.builds(&["--select", "grows"]).await;
    let told = |key: &str| builds.iter().map(|build| build[key].clone()).collect::<Vec<_>>();
    assert_eq!(told("kind"), ["full", "incremental", "full"]);
    assert_eq!(told("rows"), [3, 3, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_a_run_names_it() {
    let shop = Shop::open("models_history_run").await;
    shop.bench.source("create table payment (id int primary key, amount decimal(9, 2), day date)").await;
    shop.bench.source("insert into payment values (1, 10, '2024-01-01')").await;
    shop.bench.warehouse("drop table raw.payment; delete from amalgam.table_state").await;
    let models = format!("[models]\nproject_dir = {:?}", shop.root());
    let output = shop.bench.amalgam_with(&models).arg("run").output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let builds = shop.builds(&[]).await;
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0]["run_id"].to_string(), shop.bench.text("select max(run_id) from amalgam.run").await);
}
