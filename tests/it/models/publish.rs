//! What readers see of a build, and what they never see.

use super::{Shop, id};
use amalgam::error::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_a_model_makes_the_server_quote_is_not_told() {
    let shop = Shop::open("models_no_values").await;
    shop.bench.warehouse("create table raw.person (name text); insert into raw.person values ('Secretsmith');").await;
    for (name, expression) in [
        ("search", "to_tsquery('simple', name || ' x')"),
        ("class", "name::regclass"),
        ("role", "name::name::regrole"),
        ("setting", "set_config(name, 'x', true)"),
        ("number", "name::int"),
    ] {
        shop.write(
            &format!("models/{name}.sql"),
            &format!("{{{{ config(materialized='table') }}}} select {expression}::text as d from raw.person"),
        );
        let error = shop.build(name).await.expect_err("the server refuses the value");
        assert!(!error.to_string().to_lowercase().contains("secretsmith"), "{name}");
        assert!(error.to_string().contains("SQLSTATE"), "{error}");
    }
    let kept = "select count(*) from amalgam.model_state s where s::text ilike '%secretsmith%'";
    assert_eq!(shop.bench.text(kept).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_test_keeps_the_last_good_version() {
    let shop = Shop::open("models_last_good").await;
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table') }} select id, amount from {{ source('od', 'payment') }}",
    );
    shop.write(
        "models/m.yml",
        "models:\n  - name: mart\n    columns:\n      - name: id\n        tests:\n          - unique\n          - not_null:\n              severity: warn\n",
    );
    shop.build("mart").await.expect("built");
    shop.touch("insert into raw.payment values (1, 77, null), (null, 0, null)").await;
    let error = shop.build("mart").await.expect_err("1 comes twice");
    assert_eq!(
        (error.kind, error.to_string().as_str()),
        (Kind::ModelTest, "mart: tests failed: unique_mart_id (1 failure)")
    );
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.mart").await, "2");
    let state = "select error_kind || ' ' || data_version || ' ' || row_count from amalgam.model_state where model_id = 'model.p.mart'";
    assert_eq!(shop.bench.text(state).await, "model_test 1 2");

    shop.touch("delete from raw.payment where amount = 77").await;
    let outcome = shop.build("mart").await.expect("only a warning is left");
    assert_eq!((outcome.reason.as_str(), outcome.rows), ("its last build failed", Some(3)));
    assert_eq!(outcome.warnings, ["not_null_mart_id"]);
    let failing = "select count(*) from amalgam.model_state where last_error is not null";
    assert_eq!(shop.bench.text(failing).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_over_changed_tables_is_tested_and_stays() {
    let shop = Shop::open("models_view_tested").await;
    shop.write(
        "models/m.yml",
        "models:\n  - name: pay\n    columns:\n      - name: id\n        data_tests: [unique]\n",
    );
    shop.build("pay").await.expect("built");
    shop.touch("insert into raw.payment values (1, 1, null)").await;
    assert_eq!(shop.build("pay").await.expect_err("1 comes twice").kind, Kind::ModelTest);
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.pay").await, "3");
    shop.touch("delete from raw.payment where amount = 1").await;
    assert_eq!(shop.reason("pay").await, "its last build failed");
    assert_eq!(shop.bench.text("select data_version from amalgam.model_state").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_becomes_a_table_and_a_view_again() {
    let shop = Shop::open("models_kind").await;
    shop.build("pay").await.expect("built");
    shop.bench
        .warehouse(
            "comment on view analytics_marts.pay is 'kept'; create view public.v as select * from analytics_marts.pay",
        )
        .await;
    let look = "select relkind::text || ' ' || obj_description(oid, 'pg_class') from pg_class where relname = 'pay'";
    shop.write("models/pay.sql", "{{ config(materialized='table') }} select * from {{ source('od', 'payment') }}");
    shop.build("pay").await.expect("built as a table");
    assert_eq!(shop.bench.text(look).await, "r kept");
    shop.write("models/pay.sql", "select * from {{ source('od', 'payment') }}");
    shop.build("pay").await.expect("built as a view");
    assert_eq!(shop.bench.text(look).await, "v kept");
    assert_eq!(shop.bench.text("select count(*) from public.v").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_model_replaces_the_keys_it_brings() {
    let shop = Shop::open("models_incremental").await;
    shop.write(
        "models/inc.sql",
        "{{ config(materialized='incremental', unique_key=['day', 'id'], incremental_strategy='delete+insert') }}
         select id, day, amount from {{ source('od', 'payment') }}
         {% if is_incremental() %} where day >= (select max(day) from {{ this }}) {% endif %}",
    );
    shop.write(
        "models/m.yml",
        "models:\n  - name: inc\n    columns:\n      - name: amount\n        tests: [not_null]\n",
    );
    let rows = "select id || ' ' || amount from analytics_marts.inc order by id";
    let list = async || shop.bench.texts(rows).await.into_iter().filter_map(|r| r[0].clone()).collect::<Vec<_>>();
    shop.build("inc").await.expect("built");
    assert_eq!(list().await, ["1 10", "2 20"]);
    shop.touch("update raw.payment set amount = amount + 1; insert into raw.payment values (3, 30, '2024-01-03')")
        .await;
    let outcome = shop.build("inc").await.expect("added to");
    assert_eq!(outcome.rows, Some(3));
    // The first day is before the window and keeps its old amount.
    assert_eq!(list().await, ["1 10", "2 21", "3 30"]);

    shop.touch("insert into raw.payment values (4, null, '2024-01-04')").await;
    assert_eq!(shop.build("inc").await.expect_err("a null").kind, Kind::ModelTest);
    assert_eq!(list().await, ["1 10", "2 21", "3 30"]);
    shop.touch("delete from raw.payment where id = 4").await;
    shop.load().expect("good").build(&id("inc"), true).await.expect("a full refresh");
    assert_eq!(list().await, ["1 11", "2 21", "3 30"]);
}

/// Writes down, for every index that is made, whether whoever reads the mart has to wait for it.
const WATCH_INDEXES: &str = "
    create table public.made (is_locked boolean);
    create function public.watch() returns event_trigger language plpgsql as $$ begin
        insert into public.made select exists (
            select from pg_locks where pid = pg_backend_pid() and mode = 'AccessExclusiveLock'
            and relation = to_regclass('analytics_marts.mart'));
    end $$;
    create event trigger watch on ddl_command_end when tag in ('CREATE INDEX') execute function public.watch()";

#[tokio::test(flavor = "multi_thread")]
async fn a_models_indexes_are_made_before_its_readers_have_to_wait() {
    let shop = Shop::open("models_indexes").await;
    shop.bench.warehouse(WATCH_INDEXES).await;
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table', indexes=[{'columns': ['id', 'day'], 'unique': true}, {'columns': ['amount'], 'type': 'hash'}]) }}
         select id, amount, day from {{ source('od', 'payment') }}",
    );
    let look =
        "select regexp_replace(indexdef, 'INDEX \\S+ ', 'INDEX ') from pg_indexes where tablename = 'mart' order by 1";
    for build in 1..=3 {
        shop.touch("update raw.payment set amount = amount + 1").await;
        shop.build("mart").await.expect("built");
        let indexes = shop.bench.texts(look).await;
        let on = "INDEX ON analytics_marts.mart USING";
        assert_eq!(
            indexes.into_iter().flatten().flatten().collect::<Vec<_>>(),
            [format!("CREATE {on} hash (amount)"), format!("CREATE UNIQUE {on} btree (id, day)")],
            "build {build}"
        );
    }
    assert_eq!(shop.bench.text("select count(*) from public.made").await, "6");
    assert_eq!(shop.bench.text("select count(*) from public.made where is_locked").await, "0");
}
