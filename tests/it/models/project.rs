//! What is wrong with a project or a model, and how that is told.

use super::Shop;
use amalgam::error::Kind;

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
    let said = |file: &str, text: &str| {
        shop.write(file, text);
        let error = shop.load().expect_err("it is bad");
        std::fs::remove_file(shop.root().join(file)).expect("it is there");
        (error.kind, error.to_string())
    };
    let (kind, text) = said("models/x.sql", "select * from {{ ref('pai') }}");
    assert_eq!(
        (kind, text.as_str()),
        (Kind::ModelProject, "models/x.sql: ref('pai'): there is no such model; did you mean 'pay'?")
    );
    let (_, text) = said("models/x.sql", "select * from {{ source('od', 'payments') }}");
    assert!(text.ends_with("the source has no such table; did you mean 'payment'?"), "{text}");
    shop.write("models/y.sql", "select * from {{ ref('x') }}");
    let (kind, text) = said("models/x.sql", "select * from {{ ref('y') }}");
    assert_eq!((kind, text.as_str()), (Kind::ModelProject, "cycle: model.p.x -> model.p.y -> model.p.x"));
    shop.write("models/y.sql", "select 1");
    let (kind, text) = said("models/x.sql", "select 1\n\n{{ nothing() }}\n");
    assert_eq!(kind, Kind::ModelRender);
    assert!(
        text.starts_with("models/x.sql:3: unknown function") && text.contains(">    3 | {{ nothing() }}"),
        "{text}"
    );
    let (kind, text) = said("models/x.yml", "models:\n  - name: pay\n    columns: 5\n");
    assert_eq!(kind, Kind::ModelProject);
    assert!(text.starts_with("models/x.yml:3:"), "{text}");
}
