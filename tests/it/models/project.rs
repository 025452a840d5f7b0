//! What is wrong with a project or a model, and how that is told.

use super::Shop;
use amalgam::{error::Kind, models::TestStatus};

#[tokio::test(flavor = "multi_thread")]
async fn an_sql_error_points_into_the_compiled_file() {
    let shop = Shop::open("models_sql_error").await;
    shop.write("models/bad.sql", "-- Größe\nselect id,\n  no_such_column\nfrom {{ source('od', 'payment') }}");
    let error = shop.build("bad").await.expect_err("there is no such column");
    assert_eq!(error.kind, Kind::ModelSql);
    let text = error.to_string();
    assert!(text.contains("target/compiled/p/models/bad.sql:3: "), "{text}");
    assert!(text.contains(">    3 |   no_such_column"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_project_says_where_and_what_is_near() {
    let shop = Shop::open("models_bad_project").await;
    let said = async |file: &str, text: &str| {
        shop.write(file, text);
        let error = shop.build("x").await.expect_err("it is bad");
        std::fs::remove_file(shop.root().join(file)).expect("it is there");
        (error.kind, error.to_string())
    };
    let (kind, text) = said("models/x.sql", "select * from {{ ref('pai') }}").await;
    assert_eq!(
        (kind, text.as_str()),
        (Kind::ModelProject, "models/x.sql: ref('pai'): there is no such model; did you mean 'pay'?")
    );
    let (_, text) = said("models/x.sql", "select * from {{ source('od', 'payments') }}").await;
    assert!(text.ends_with("the source has no such table; did you mean 'payment'?"), "{text}");
    shop.write("models/y.sql", "select * from {{ ref('x') }}");
    let (kind, text) = said("models/x.sql", "select * from {{ ref('y') }}").await;
    assert_eq!((kind, text.as_str()), (Kind::ModelProject, "cycle: model.p.x -> model.p.y -> model.p.x"));
    shop.write("models/y.sql", "select 1");
    let (kind, text) = said("models/x.sql", "select 1\n\n{{ nothing() }}\n").await;
    assert_eq!(kind, Kind::ModelRender);
    assert!(
        text.starts_with("models/x.sql:3: unknown function") && text.contains(">    3 | {{ nothing() }}"),
        "{text}"
    );
    let (kind, text) = said("models/x.yml", "models:\n  - name: pay\n    columns: 5\n").await;
    assert_eq!(kind, Kind::ModelProject);
    assert!(text.starts_with("models/x.yml:3:"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_file_is_wrong_fails_alone() {
    let shop = Shop::open("models_fault").await;
    let table = "{{ config(materialized='table') }} select id from";
    shop.write("models/mart.sql", &format!("{table} {{{{ ref('pay') }}}}"));
    shop.write("models/below.sql", "select * from {{ ref('mart') }}");
    shop.write("models/late.sql", "select 1 as id from {{ ref('pay') }}");
    shop.write(
        "models/m.yml",
        "models:\n  - name: late\n    columns:\n      - name: id\n        tests: [{relationships: {to: ref('mart'), field: id}}]\n",
    );
    for model in ["pay", "mart", "below", "late"] {
        shop.build(model).await.expect("built");
    }
    shop.write("models/mart.sql", &format!("{table}\n {{{{ ref('pay' }}}}"));
    shop.touch("insert into raw.payment values (3, 5, null)").await;
    let models = shop.load().expect("the others are right");
    let told: Vec<String> = models.faults().iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].starts_with("models/mart.sql:2: syntax error"), "{told:?}");

    let error = shop.build("mart").await.expect_err("a bracket is missing");
    assert_eq!((error.kind, error.to_string()), (Kind::ModelRender, told[0].clone()));
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.mart").await, "2");
    let kept = "select relation || ' ' || error_kind from amalgam.model_state where last_error is not null";
    assert_eq!(shop.bench.text(kept).await, "\"analytics_marts\".\"mart\" model_render");
    let error = shop.build("below").await.expect_err("nobody knows what it reads").to_string();
    assert!(error.contains("models/below.sql") && error.contains("ref('mart')"), "{error}");
    let outcome = shop.build("late").await.expect("only its test looks at the mart");
    assert_eq!(outcome.tests[0].status, TestStatus::Skip);

    shop.write("models/mart.sql", &format!("{table} {{{{ ref('pay') }}}}"));
    assert_eq!(shop.reason("mart").await, "its last build failed");
    assert_eq!(shop.reason("below").await, "its last build failed");
    assert_eq!(shop.build("late").await.expect("looked at").tests[0].status, TestStatus::Pass);
}
