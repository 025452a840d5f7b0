//! Microbatch models: which rows a batch sees, which batches a build takes, and that all of them count or none.

use super::{Shop, command::said, id};
use amalgam::{
    domain::Clock,
    error::Kind,
    models::{BuildOptions, Told},
};
use chrono::{DateTime, Utc};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

impl Shop {
    /// A clock that stands, and payments of three days.
    async fn with_days(name: &str) -> Self {
        let shop = Self::open(name).await;
        shop.bench.warehouse("insert into raw.payment values (3, 30, '2024-01-03')").await;
        shop.write(
            "models/pay.sql",
            "{{ config(event_time='day') }} select id, amount, day from {{ source('od', 'payment') }}",
        );
        shop.write("models/daily.sql", DAILY);
        shop.build("pay").await.expect("built");
        shop
    }

    async fn batches(&self, now: &str, options: BuildOptions) -> Result<Vec<String>, amalgam::error::Error> {
        let models = self.load_at(Clock::manual(at(now)))?;
        let mut told = Told::default();
        models.build_telling(&id("daily"), &options, &mut told).await?;
        Ok(told.batches.iter().map(|batch| batch.from.format("%m-%d").to_string()).collect())
    }

    async fn days(&self) -> String {
        self.bench
            .text("select string_agg(id || ' ' || amount || ' ' || batch, ', ' order by id) from analytics_marts.daily")
            .await
    }
}

const DAILY: &str = "{{ config(materialized='incremental', incremental_strategy='microbatch', unique_key='id',
    event_time='day', begin='2024-01-01', batch_size='day',
    pre_hook='create table if not exists analytics_marts.hooked (what text)',
    post_hook='insert into analytics_marts.hooked values (1)') }}
select id, amount, day, '{{ model.batch.id if model.batch }}' as batch from {{ ref('pay') }}";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_sees_its_own_rows_and_a_later_build_looks_back() {
    let shop = Shop::with_days("models_batches").await;
    let usual = BuildOptions::default;
    let told = shop.batches("2024-01-03T05:00:00Z", usual()).await.expect("built");
    assert_eq!(told, ["01-01", "01-02", "01-03"]);
    assert_eq!(shop.days().await, "1 10 20240101, 2 20 20240102, 3 30 20240103");
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.hooked").await, "1", "after the last one");
    assert!(shop.batches("2024-01-03T06:00:00Z", usual()).await.expect("looked at").is_empty(), "nothing changed");

    shop.touch("update raw.payment set amount = amount + 1").await;
    let told = shop.batches("2024-01-03T06:00:00Z", usual()).await.expect("built");
    assert_eq!(told, ["01-02", "01-03"]);
    assert_eq!(shop.days().await, "1 10 20240101, 2 21 20240102, 3 31 20240103");

    let span = BuildOptions {
        event_time_start: Some(at("2024-01-01T00:00:00Z")),
        event_time_end: Some(at("2024-01-02T00:00:00Z")),
        ..usual()
    };
    assert_eq!(shop.batches("2024-01-03T07:00:00Z", span).await.expect("asked for"), ["01-01"]);
    assert_eq!(shop.days().await, "1 11 20240101, 2 21 20240102, 3 31 20240103");
    let told = shop.batches("2024-01-03T08:00:00Z", usual()).await.expect("the span said nothing of the rest");
    assert_eq!(told, ["01-02", "01-03"]);

    let told = shop.batches("2024-01-03T08:00:00Z", BuildOptions::from(true)).await.expect("built");
    assert_eq!(told, ["01-01", "01-02", "01-03"]);
    // What a span takes is not compared with what whole builds take.
    let kinds =
        "select string_agg(kind, ' ' order by build_id) from amalgam.model_build where model_id = 'model.p.daily'";
    assert_eq!(shop.bench.text(kinds).await, "full incremental span incremental full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_shows_models_a_window_and_the_next_build_all() {
    let shop = Shop::with_days("models_sample").await;
    shop.write("models/all_days.sql", "{{ config(materialized='table') }} select id from {{ ref('pay') }}");
    shop.write("models/seen.sql", "select id from {{ ref('pay') }}");
    shop.write("models/days.yml", "models: [{name: pay, columns: [{name: id, data_tests: [unique]}]}]\n");
    let window = "{start: 2024-01-02, end: 2024-01-03}";
    let ids = async |name: &str| {
        shop.bench.text(&format!("select string_agg(id::text, ' ' order by id) from analytics_marts.{name}")).await
    };
    let built = async |words: &[&str]| {
        said(shop.models(&[&["build", "--select", "+all_days", "seen", "daily"], words].concat()), 0).await
    };
    built(&["--sample", window]).await;
    assert_eq!(
        (ids("all_days").await.as_str(), ids("seen").await.as_str(), ids("daily").await.as_str()),
        ("2", "2", "2")
    );
    built(&[]).await;
    assert_eq!((ids("all_days").await.as_str(), ids("seen").await.as_str()), ("1 2 3", "1 2 3"));
    // What a sample takes is not compared with what whole builds take.
    let kinds =
        "select string_agg(kind, ' ' order by build_id) from amalgam.model_build where model_id = 'model.p.all_days'";
    assert_eq!(shop.bench.text(kinds).await, "span full");
    let (_, errors) = said(shop.models(&["build", "--sample", "3 weeks"]), 2).await;
    assert!(errors.contains("'weeks' is no length of time"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_takes_all_with_it() {
    let shop = Shop::with_days("models_batches_fail").await;
    let clock = "2024-01-03T05:00:00Z";
    shop.batches(clock, BuildOptions::default()).await.expect("built");
    shop.touch("update raw.payment set amount = 0 where id = 3; update raw.payment set amount = 5 where id = 2").await;
    shop.write("models/daily.sql", &DAILY.replace("id, amount,", "id, 60 / amount as amount,"));
    let error = shop.batches(clock, BuildOptions::default()).await.expect_err("nothing is divided by zero");
    assert_eq!(error.kind, Kind::ModelSql);
    assert!(error.to_string().starts_with("batch 2024-01-03: models/daily.sql"), "{error}");
    assert_eq!(shop.days().await, "1 10 20240101, 2 20 20240102, 3 30 20240103");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_lacks_something_says_what() {
    let shop = Shop::with_days("models_batches_config").await;
    for (from, to, expected) in [
        ("event_time='day',", "", "it needs the configuration event_time"),
        ("begin='2024-01-01',", "", "it needs the configuration begin"),
        ("begin='2024-01-01'", "begin='January'", "begin is 'January'"),
        ("batch_size='day'", "batch_size='week'", "it needs the configuration batch_size"),
        ("batch_size='day'", "batch_size='day', lookback='two'", "lookback is \"two\""),
    ] {
        shop.write("models/daily.sql", &DAILY.replace(from, to));
        let error =
            shop.batches("2024-01-03T05:00:00Z", BuildOptions::default()).await.expect_err("it lacks something");
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
    shop.write(
        "macros/own.sql",
        "{% macro get_incremental_microbatch_sql(arg_dict) %}{{ get_incremental_append_sql(arg_dict) }}{% endmacro %}",
    );
    shop.write("models/daily.sql", DAILY);
    let told = shop.batches("2024-01-03T05:00:00Z", BuildOptions::default()).await.expect("built");
    assert!(told.is_empty(), "a strategy of one's own is built whole");
    assert_eq!(shop.days().await, "1 10 , 2 20 , 3 30 ");
}
