//! The verbs that build nothing: clean, run-operation, show, and what is compiled from the command line.

use super::{Shop, command::said};

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_made_again_is_removed() {
    let shop = Shop::open("models_clean").await;
    said(shop.models(&["compile"]), 0).await;
    shop.write("dbt_project.yml", "name: p\nclean-targets: [target, dbt_packages]\n");
    let (out, _) = said(shop.models(&["clean"]), 0).await;
    insta::assert_snapshot!(out, @r"
    folder        status
    target        removed
    dbt_packages  not there
    ");
    assert!(!shop.root().join("target").exists() && shop.root().join("models").is_dir());
    let beside = shop.bench.files().join("beside");
    std::fs::create_dir(&beside).expect("a folder can be made");
    shop.write("dbt_project.yml", "name: p\nclean-targets: [../beside]\n");
    let (_, errors) = said(shop.models(&["clean"]), 2).await;
    assert!(errors.contains("clean-targets: '../beside' lies outside of the project"), "{errors}");
    assert!(beside.is_dir());
    said(shop.models(&["clean", "--no-clean-project-files-only"]), 0).await;
    assert!(!beside.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_macro_is_called_by_its_name() {
    let shop = Shop::open("models_operation").await;
    shop.write(
        "macros/m.sql",
        "{% macro keep(table, rows=1) %}
           {% do run_query('create table analytics.' ~ table ~ ' as select generate_series(1, ' ~ rows ~ ') as n') %}
           {% do log('made ' ~ table, info=True) %}{% do log('quietly') %}
           {{ print(run_query('select count(*) from analytics.' ~ table).columns[0].values()[0]) }}
         {% endmacro %}
         {% macro wrong() %}\n{{ nothing.at.all() }}\n{% endmacro %}
         {% macro refused() %}{% do run_query('select no_such_column') %}{% endmacro %}
         {% macro lose() %}
           {% do adapter.drop_relation(api.Relation.create(schema='analytics', identifier='seen', type='view')) %}
         {% endmacro %}",
    );
    shop.write("dbt_packages/tools/dbt_project.yml", "name: tools\n");
    shop.write(
        "dbt_packages/tools/macros/t.sql",
        "{% macro hello(to='you') %}{{ print('hello ' ~ to) }}{% endmacro %}",
    );
    shop.bench.warehouse("create schema analytics; create view analytics.seen as select 1 as one").await;
    let call = |words: &[&str]| shop.models(&[&["run-operation"], words].concat());
    let (out, errors) = said(call(&["keep", "--args", "{table: kept, rows: 3}"]), 0).await;
    assert_eq!((out.as_str(), errors.as_str()), ("made kept\n3\n", ""));
    assert_eq!(shop.bench.text("select count(*) from analytics.kept").await, "3");
    for words in [&["hello", "--args", "to: all"][..], &["tools.hello", "--args", "{to: all}"]] {
        assert_eq!(said(call(words), 0).await.0, "hello all\n");
    }
    said(call(&["lose"]), 0).await;
    assert_eq!(shop.bench.text("select to_regclass('analytics.seen') is null").await, "t");

    let (_, errors) = said(call(&["wrong"]), 1).await;
    assert!(errors.contains("macros/m.sql:7: ") && errors.contains("nothing.at.all()"), "{errors}");
    let (_, errors) = said(call(&["refused"]), 1).await;
    assert!(errors.contains("column \"no_such_column\" does not exist"), "{errors}");
    let (_, errors) = said(call(&["keep", "--args", "{tabel: kept}"]), 1).await;
    assert!(errors.contains("tabel"), "{errors}");
    for (name, told) in [
        ("kept", "there is no macro 'kept'; did you mean 'keep'?"),
        ("tools.helo", "there is no macro 'helo'; did you mean 'hello'?"),
        ("tool.hello", "there is no package 'tool'; did you mean 'tools'?"),
        ("p.hello", "there is no macro 'hello'"),
    ] {
        let (_, errors) = said(call(&[name]), 2).await;
        assert!(errors.contains(told), "{name}: {errors}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_shown_without_a_build() {
    let shop = Shop::open("models_show").await;
    shop.write("models/eph.sql", "{{ config(materialized='ephemeral') }} select id, amount from {{ ref('pay') }}");
    shop.write("models/pay.yml", "models: [{name: pay, columns: [{name: id, data_tests: [unique]}]}]");
    shop.write("seeds/colours.csv", "id,name\n1,red\n2,blue\n");
    let show = |words: &[&str]| shop.models(&[&["show"], words].concat());
    let (out, _) = said(show(&["--select", "pay"]), 0).await;
    insta::assert_snapshot!(out, @r"
    pay
    | id | amount | day        |
    | -- | ------ | ---------- |
    |  1 |     10 | 2024-01-01 |
    |  2 |     20 | 2024-01-02 |
    ");
    assert_eq!(shop.bench.text("select to_regclass('analytics_marts.pay') is null").await, "t");
    let json = |out: &str| serde_json::from_str::<serde_json::Value>(out).expect("it is JSON");
    let (out, _) = said(show(&["--select", "+pay", "--limit", "1", "--output", "json"]), 0).await;
    let first = serde_json::json!({"node": "pay", "show": [{"id": 1, "amount": 10, "day": "2024-01-01"}]});
    assert_eq!(json(&out), first);

    // What reads a model reads its relation.
    said(shop.models(&["build"]), 0).await;
    let inline = "select sum(amount) as total from {{ ref('eph') }} -- all";
    let (out, _) = said(show(&["--inline", inline, "--output", "json"]), 0).await;
    assert_eq!(json(&out), serde_json::json!({"show": [{"total": 30}]}));
    let many = "select n from generate_series(1, 7) as n";
    for (limit, lines) in [("-1", 9), ("6", 8), ("0", 2)] {
        let (out, _) = said(show(&["--inline", many, "--limit", limit]), 0).await;
        assert_eq!(out.lines().count(), lines, "{limit}: {out}");
    }
    assert_eq!(said(show(&["--inline", many]), 0).await.0.lines().count(), 7);
    let (out, _) = said(show(&["--select", "colours", "unique_pay_id"]), 0).await;
    assert!(out.contains("| red  |") && out.contains("unique_pay_id"), "{out}");

    let (_, errors) = said(show(&["--inline", "select\n  no_such_column"]), 1).await;
    assert!(errors.contains("no_such_column") && errors.contains(">    2 |   no_such_column"), "{errors}");
    let (_, errors) = said(show(&["--inline", "select * from {{ ref('pai') }}"]), 1).await;
    assert!(errors.contains("did you mean 'pay'?"), "{errors}");
    let (_, errors) = said(show(&[]), 2).await;
    assert!(errors.contains("name what is to be shown with --select"), "{errors}");

    let (out, _) = said(shop.models(&["compile", "--inline", "select * from {{ ref('eph') }}"]), 0).await;
    assert!(out.starts_with("with __dbt__cte__eph as (") && out.ends_with("select * from __dbt__cte__eph\n"), "{out}");
    said(shop.models(&["compile", "--inline", "select 1", "--select", "pay"]), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_project_from_being_built_is_said() {
    let shop = Shop::open("models_debug").await;
    let (out, _) = said(shop.models(&["debug"]), 0).await;
    for told in ["models     target", "models     project", "1 model", "warehouse  reachable", "warehouse  rights"] {
        assert!(out.contains(told), "{told}: {out}");
    }
    let (out, _) = said(shop.models(&["debug", "--connection"]), 0).await;
    assert!(out.contains("reachable") && !out.contains("project"), "{out}");
    shop.write("dbt_project.yml", "nam: p\n");
    let (out, _) = said(shop.models(&["debug"]), 1).await;
    assert!(out.contains("FAIL  models     project") && out.contains("it has no 'name'"), "{out}");
    shop.write("dbt_project.yml", "name: p\nprofile: p\n");
    let output =
        "{type: postgres, host: 127.0.0.1, port: 1, user: nobody, password: secret-word, dbname: d, schema: s}";
    shop.write("profiles.yml", &format!("p: {{target: dev, outputs: {{dev: {output}}}}}\n"));
    let profiles = shop.root().display().to_string();
    let (out, errors) = said(shop.models(&["debug", "--profiles-dir", &profiles]), 1).await;
    assert!(out.contains("profile p, target dev, schema s") && out.contains("FAIL  warehouse  reachable"), "{out}");
    assert!(!out.contains("secret-word") && !errors.contains("secret-word"), "{out}{errors}");
    let (out, _) = said(shop.models(&["debug", "--profiles-dir", &profiles, "--target", "prod"]), 1).await;
    assert!(out.contains("profile 'p' has no target 'prod'; it has dev"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_made_over_what_another_run_has_built() {
    let shop = Shop::open("models_clone").await;
    shop.write("dbt_project.yml", "name: p\nmodels: {p: {+materialized: table}}\n");
    shop.write("models/eph.sql", "{{ config(materialized='ephemeral') }} select 1 as one");
    shop.write("models/mart.sql", "select id from {{ ref('pay') }}");
    said(shop.models(&["build"]), 0).await;
    said(shop.models(&["parse"]), 0).await;
    let state = shop.root().join("state");
    std::fs::create_dir(&state).expect("a folder can be made");
    std::fs::copy(shop.root().join("target/manifest.json"), state.join("manifest.json")).expect("it can be copied");
    let state = state.display().to_string();
    let (out, _) = said(shop.models(&["clone", "--state", &state]), 0).await;
    assert!(out.contains("pay    \"analytics\".\"pay\"") && out.matches("the same relation").count() == 2, "{out}");

    // A place of one's own.
    shop.write("dbt_project.yml", "name: p\nmodels: {p: {+materialized: table, +schema: mine}}\n");
    shop.write("models/new.sql", "select 1 as one");
    let (out, _) = said(shop.models(&["clone", "--state", &state]), 0).await;
    insta::assert_snapshot!(out, @r#"
    model  relation                 status
    new    "analytics_mine"."new"   not in the state
    pay    "analytics_mine"."pay"   cloned
    mart   "analytics_mine"."mart"  cloned
    "#);
    let kind = "select string_agg(relname || ' ' || relkind::text, ', ' order by relname) from pg_class
                where relnamespace = 'analytics_mine'::regnamespace";
    assert_eq!(shop.bench.text(kind).await, "mart v, pay v");
    assert_eq!(shop.bench.text("select count(*) from analytics_mine.mart").await, "2");
    let (out, _) = said(shop.models(&["clone", "--state", &state, "--select", "pay"]), 0).await;
    assert!(out.contains("already there"), "{out}");

    // What people hang on a relation hangs on the view that takes its place.
    said(shop.models(&["build", "--select", "mart"]), 0).await;
    assert_eq!(shop.bench.text(kind).await, "mart r, pay v");
    shop.bench.warehouse("create view public.own as select * from analytics_mine.mart").await;
    let (out, _) = said(shop.models(&["clone", "--state", &state, "--select", "mart", "--full-refresh"]), 0).await;
    assert!(out.contains("cloned"), "{out}");
    assert_eq!(shop.bench.text(kind).await, "mart v, pay v");
    assert_eq!(shop.bench.text("select count(*) from public.own").await, "2");
    let (_, errors) = said(shop.models(&["clone"]), 2).await;
    assert!(errors.contains("--state <folder>"), "{errors}");
}
