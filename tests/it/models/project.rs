//! What is wrong with a project or a model, and how that is told.

use super::{Shop, command::said};
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
    let told = async |file: &str, text: &str| {
        shop.write(file, text);
        let error = shop.build("x").await.expect_err("it is bad");
        std::fs::remove_file(shop.root().join(file)).expect("it is there");
        (error.kind, error.to_string())
    };
    let (kind, text) = told("models/x.sql", "select * from {{ ref('pai') }}").await;
    assert_eq!(
        (kind, text.as_str()),
        (Kind::ModelProject, "models/x.sql: ref('pai'): there is no such model; did you mean 'pay'?")
    );
    let (_, text) = told("models/x.sql", "select * from {{ source('od', 'payments') }}").await;
    assert!(text.ends_with("the source has no such table; did you mean 'payment'?"), "{text}");
    shop.write("models/y.sql", "select * from {{ ref('x') }}");
    let (kind, text) = told("models/x.sql", "select * from {{ ref('y') }}").await;
    assert_eq!((kind, text.as_str()), (Kind::ModelProject, "cycle: model.p.x -> model.p.y -> model.p.x"));
    shop.write("models/y.sql", "select 1");
    let (kind, text) = told("models/x.sql", "select 1\n\n{{ nothing() }}\n").await;
    assert_eq!(kind, Kind::ModelRender);
    assert!(
        text.starts_with("models/x.sql:3: unknown function") && text.contains(">    3 | {{ nothing() }}"),
        "{text}"
    );
    let (kind, text) = told("models/x.yml", "models:\n  - name: pay\n    columns: 5\n").await;
    assert_eq!(kind, Kind::ModelProject);
    assert!(text.starts_with("models/x.yml:3:"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_yaml_is_told_with_its_line_and_what_is_near() {
    let shop = Shop::open("models_bad_yaml").await;
    let column = "models:\n  - name: pay\n    columns:\n      - name: id\n        data_tests:\n          - not_null\n";
    for (text, told) in [
        (
            format!("{column}          - uniqe\n"),
            "models/x.yml:7:13: model pay: there is no test 'uniqe'; did you mean 'unique'?\n",
        ),
        (
            format!("{column}          - dbt_utils.at_least_one\n"),
            "models/x.yml:7:13: model pay: there is no test 'dbt_utils.at_least_one': there is no package 'dbt_utils'; name it in packages.yml, and `amalgam models deps` installs it\n",
        ),
        (
            format!("{column}          - unique: {{severity: fatal}}\n"),
            "models/x.yml:7:13: model pay: test 'unique': 'severity': it must be one of error, warn, not this text\n",
        ),
        (
            "sources:\n  - name: od\n    schema: raw\n    tables:\n      - name: other\n      - name: payment\n"
                .to_owned(),
            "models/x.yml:6:9: source od: table 'payment' is described in models/sources.yml:3 already\n",
        ),
    ] {
        shop.write("models/x.yml", &text);
        let error = shop.load().expect_err("it is bad");
        assert_eq!(error.kind, Kind::ModelProject);
        let text = error.to_string();
        assert!(text.starts_with(told) && text.contains("\n>"), "{text}");
    }
    shop.write("models/x.yml", &format!("{column}      - name: amont\n        data_tests: [not_null]\n"));
    let error = shop.build("pay").await.expect_err("there is no such column").to_string();
    assert!(error.contains("models/x.yml:8: ") && error.contains("did you mean 'amount'?"), "{error}");

    let missing = "          - relationships: {to: ref('nix'), field: id}\n";
    shop.write("models/x.yml", &format!("{column}{missing}"));
    let (_, errors) = said(shop.models(&["parse"]), 0).await;
    let told =
        "models/x.yml:7: test relationships_pay_id__id__ref_nix_: ref('nix'): there is no such model; it is left out";
    assert!(errors.contains(told), "{errors}");
    let (out, _) = said(shop.models(&["ls", "--resource-type", "test"]), 0).await;
    assert_eq!(out, "p.not_null_pay_id\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_of_the_wrong_type_is_refused_where_it_stands() {
    let shop = Shop::open("models_bad_config").await;
    let faults = || -> Vec<String> {
        shop.load().expect("the others are right").faults().iter().map(ToString::to_string).collect()
    };
    shop.write("models/x.sql", "\n{{ config(\n  enabled='maybe') }} select 1 as a");
    let told = faults();
    assert!(
        told.len() == 1
            && told[0].starts_with("models/x.sql:2: config() 'enabled': it must be true or false, not this text\n")
            && told[0].contains("\n>    2 | {{ config("),
        "{told:?}"
    );
    shop.write("models/x.sql", "select 1 as a");
    shop.write("models/x.yml", "models:\n  - name: x\n    config:\n      tags: {a: b}\n");
    let told = faults();
    assert!(told.len() == 1 && told[0].starts_with("models/x.yml:4:13: model x: config, 'tags': "), "{told:?}");
    shop.write("models/x.yml", "models: [{name: x, config: {group: nobodys}}]");
    assert_eq!(faults(), ["models/x.sql: there is no group 'nobodys'"]);
    std::fs::remove_file(shop.root().join("models/x.yml")).expect("it was written");
    shop.write("dbt_project.yml", "name: p\nmodels:\n  p:\n    +full_refresh: always\n");
    let told = faults();
    assert!(
        told.len() == 2 && told[0].contains("dbt_project.yml:4:20: models, p 'full_refresh': it must be true or false"),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_cannot_be_read_is_shown() {
    let shop = Shop::open("models_jinja_shown").await;
    shop.write("macros/m.sql", "{% macro bad() %}\n  {{ 1 + }}\n{% endmacro %}");
    for (text, told, shown) in [
        ("\n\nselect\n  {{ ref('pay' }}\n", "models/x.sql:4: syntax error", "\n>    4 |   {{ ref('pay' }}"),
        ("select 1\n{% if true %}", "models/x.sql", "\n>"),
        ("select 1\n{{ 'a' ", "models/x.sql:2: syntax error: {{ is not closed", "\n>    2 | {{ 'a'"),
        ("{{ bad() }}", "models/x.sql:1: macros/m.sql:2: syntax error", "\n>    2 |   {{ 1 + }}"),
        (
            "select\n{{ dbt_utils.star(ref('pay')) }}",
            "models/x.sql:2: dbt_utils.star(): 'dbt_utils' stands for nothing here; if it is a package, name it in packages.yml, and `amalgam models deps` installs it",
            "\n>    2 | {{ dbt_utils.star(ref('pay')) }}",
        ),
    ] {
        shop.write("models/x.sql", text);
        let faults = shop.load().expect("the others are right").faults();
        let said = faults.first().map(ToString::to_string).unwrap_or_default();
        assert!(said.starts_with(told) && said.contains(shown), "{said}");
    }
    shop.write(
        "models/x.sql",
        "{{ config(materialized='table') }}\nselect\n  p.id,\n  q.id\nfrom {{ ref('pay') }} p, {{ ref('pay') }} q",
    );
    shop.build("pay").await.expect("built");
    let error = shop.build("x").await.expect_err("one name twice").to_string();
    assert!(error.contains("x.sql:3: ") && error.contains(">    3 |   q.id"), "{error}");

    shop.write("models/x.sql", "select 1 as a");
    shop.write(
        "dbt_project.yml",
        "name: p\non-run-start:\n  - select 1\n  - |\n    select\n      no_such_column\non-run-end: \"{{ nothing() }}\"\n",
    );
    let (_, errors) = said(shop.models(&["run", "--select", "x"]), 1).await;
    assert!(
        errors.contains("dbt_project.yml:5: on-run-start, entry 2: ") && errors.contains(">    2 |   no_such_column"),
        "{errors}"
    );
    assert!(errors.contains("remedy: correct the file named in the message"), "{errors}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_description_is_written_down_letter_by_letter_and_may_be_a_template() {
    let shop = Shop::open("models_description").await;
    shop.write(
        "models/said.sql",
        "{{ config(materialized='table', persist_docs={'columns': true}) }} select 1 as a, 2 as b",
    );
    shop.write(
        "models/said.yml",
        "models:\n  - name: said\n    columns:\n      - name: a\n        description: |\n          Call doc() here.\n\
         \x20     - name: b\n        description: \"From {{ target.type }}.\"\n",
    );
    shop.build("said").await.expect("built");
    let comment = async |column: u8| {
        shop.bench.text(&format!("select col_description('analytics_marts.said'::regclass, {column})")).await
    };
    assert_eq!(comment(1).await, "Call doc() here.\n");
    assert_eq!(comment(2).await, "From postgres.");
}
