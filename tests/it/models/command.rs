//! The command, and its selections.

use super::Shop;

/// What a command prints, which must end with `status`.
pub(super) async fn said(mut command: tokio::process::Command, status: i32) -> (String, String) {
    let output = command.output().await.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{out}{errors}");
    (out, errors)
}

impl Shop {
    /// `amalgam models` on the shop's project.
    pub(super) fn models(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = self.bench.amalgam();
        command.arg("models").args(words).arg("--project-dir").arg(self.root());
        command
    }

    /// What `run_results.json` says: ids, statuses and failures, in order.
    fn results(&self) -> Vec<String> {
        let text = std::fs::read(self.root().join("target/run_results.json")).expect("it was written");
        let artifact: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
        let word = |result: &serde_json::Value, key: &str| result[key].as_str().unwrap_or_default().to_owned();
        let results = artifact["results"].as_array().into_iter().flatten();
        let mut lines: Vec<String> = results
            .map(|result| {
                let failures = result["failures"].as_i64().map(|n| format!(" {n}")).unwrap_or_default();
                format!("{} {}{failures}", word(result, "unique_id"), word(result, "status"))
            })
            .collect();
        lines.sort();
        lines
    }
}

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
async fn what_reads_a_model_that_continues_goes_on_with_its_last_good_version() {
    let shop = Shop::open("models_continue").await;
    shop.bench.source("create table payment (id int primary key, amount decimal(9, 2), day date)").await;
    shop.bench.source("insert into payment values (1, 10, '2024-01-01'), (2, 20, '2024-01-02')").await;
    shop.bench.warehouse("drop table raw.payment; delete from amalgam.table_state").await;
    let table = "{{ config(materialized='table', on_error='continue') }} select id, 60 / (3 - id) as part from";
    shop.write("models/part.sql", &format!("{table} {{{{ ref('pay') }}}}"));
    shop.write(
        "models/both.sql",
        "{{ config(materialized='table') }} select (select count(*) from {{ ref('part') }}) as parts, count(*) as pays from {{ ref('pay') }}",
    );
    let models = format!("[models]\nproject_dir = {:?}", shop.root());
    let mut run = shop.bench.amalgam_with(&models);
    run.arg("run");
    said(run, 0).await;
    let both = || shop.bench.text("select parts || ' ' || pays from analytics_marts.both");
    assert_eq!(both().await, "2 2");

    shop.bench.source("insert into payment values (3, 30, '2024-01-03')").await;
    let mut run = shop.bench.amalgam_with(&models);
    run.arg("run");
    said(run, 1).await;
    assert_eq!(both().await, "2 3");
    let tasks = "select subject || ' ' || state from amalgam.task where run_id = (select max(run_id) from amalgam.task) and kind = 'model' order by 1";
    let tasks = shop.bench.texts(tasks).await.into_iter().flatten().flatten().collect::<Vec<_>>();
    assert_eq!(tasks, ["model.p.both succeeded", "model.p.part failed", "model.p.pay succeeded"]);

    let (out, _) = said(shop.models(&["build", "--full-refresh"]), 1).await;
    assert!(out.contains("both   built") && out.contains("part   failed"), "{out}");
    // What is said beside a file that can't be read holds all the same.
    shop.write("models/part.yml", "models: [{name: part, config: {on_error: continue, materialized: table}}]");
    shop.write("models/part.sql", &format!("{table} {{{{ ref('pay') }}"));
    let (out, _) = said(shop.models(&["build", "--full-refresh"]), 1).await;
    assert!(out.contains("both   built") && out.contains("part   failed"), "{out}");
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_with_a_remedy_that_helps() {
    let shop = Shop::open("models_cli_unknown").await;
    shop.bench.source("create table payment (id int primary key)").await;
    shop.bench.warehouse("delete from amalgam.table_state").await;
    let mut plan = shop.bench.amalgam();
    plan.args(["plan", "nonsense"]);
    let (_, errors) = said(plan, 2).await;
    insta::assert_snapshot!(errors, @r"
    error: the selection nonsense names no table and no model
    remedy: `amalgam discover` lists the tables, `amalgam models ls` the models; write a selection as `amalgam models ls --help` says
    ");
    let (_, errors) = said(shop.models(&["build", "--select", "pai"]), 2).await;
    insta::assert_snapshot!(errors, @r"
    error: selection 'pai': there is no such model; did you mean 'pay'?
    remedy: `amalgam discover` lists the tables, `amalgam models ls` the models; write a selection as `amalgam models ls --help` says
    ");
    let mut without_project = shop.bench.amalgam();
    without_project.args(["models", "ls"]);
    let (_, errors) = said(without_project, 2).await;
    insta::assert_snapshot!(errors, @r"
    error: there is no project to take models from
    remedy: name the folder of dbt_project.yml with --project-dir, or in the configuration with [models] project_dir
    ");
    let (out, errors) = said(shop.models(&["ls", "--select", "tag:no"]), 0).await;
    let told = "warning: selection 'tag:no' finds nothing\nwarning: nothing is selected\n";
    assert_eq!((out.as_str(), errors.as_str()), ("", told));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_verb_judges_what_is_published() {
    let shop = Shop::open("models_cli_test").await;
    shop.write("models/pay.yml", "models: [{name: pay, columns: [{name: id, data_tests: [unique, not_null]}]}]");
    said(shop.models(&["build"]), 0).await;
    let (out, _) = said(shop.models(&["test"]), 0).await;
    insta::assert_snapshot!(out, @r"
    test             status  failures
    not_null_pay_id  pass           0
    unique_pay_id    pass           0
    ");
    shop.touch("insert into raw.payment values (2, 20, '2024-01-03')").await;
    let (out, _) = said(shop.models(&["test"]), 1).await;
    insta::assert_snapshot!(out, @r"
    test             status  failures
    not_null_pay_id  pass           0
    unique_pay_id    fail           1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_of_what_is_not_built_hold_up_what_is_made_from_it() {
    let shop = Shop::open("models_cli_loose").await;
    let tests = "columns: [{name: amount, data_tests: [{accepted_values: {arguments: {values: [10], quote: false}}}]}]";
    let table = format!("{{name: payment, {tests}}}");
    shop.write("models/sources.yml", &format!("sources: [{{name: od, schema: raw, tables: [{table}]}}]"));
    shop.write("models/below.sql", "select * from {{ ref('pay') }}");
    shop.write("models/aside.sql", "select 1 as x");
    let (out, errors) = said(shop.models(&["build"]), 1).await;
    let test = "source_accepted_values_od_payment_amount__False__10";
    assert!(out.contains(&format!("{test} failed")), "{out}");
    assert!(errors.contains(&format!("test {test}: Got 1 result, configured to fail if != 0\n")), "{errors}");
    assert!(errors.ends_with("Done. PASS=1 WARN=0 ERROR=1 SKIP=2 NO-OP=0 TOTAL=4\n"), "{errors}");
    assert_eq!(shop.results()[..3], ["model.p.aside success", "model.p.below skipped", "model.p.pay skipped"]);
    assert_eq!(shop.results().len(), 4);
    // `run` asks no test.
    said(shop.models(&["run"]), 0).await;
    assert_eq!(shop.results(), ["model.p.aside success", "model.p.below success", "model.p.pay success"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_was_run_is_tested_by_the_next_build() {
    let shop = Shop::open("models_cli_run").await;
    let tests = |column: &str| format!("models: [{{name: pay, columns: [{{name: {column}, data_tests: [unique]}}]}}]");
    shop.write("models/pay.yml", &tests("id"));
    said(shop.models(&["run"]), 0).await;
    let (out, _) = said(shop.models(&["build"]), 0).await;
    assert!(out.contains("it was not tested since it was built"), "{out}");
    assert_eq!(shop.results(), ["model.p.pay success", "test.p.unique_pay_id.87534c6cca pass 0"]);
    // What they said is kept while nothing changes.
    let (out, _) = said(shop.models(&["build"]), 0).await;
    assert!(out.contains("inputs unchanged"), "{out}");
    assert_eq!(shop.results(), ["model.p.pay success", "test.p.unique_pay_id.87534c6cca pass 0"]);
    shop.write("models/pay.yml", &tests("none_such"));
    let (out, errors) = said(shop.models(&["build"]), 1).await;
    assert!(errors.contains("column \"none_such\" does not exist"), "{out}{errors}");
    assert!(errors.ends_with("Done. PASS=0 WARN=0 ERROR=2 SKIP=0 NO-OP=0 TOTAL=2\n"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_by_tests_alone_counts_for_the_next_build() {
    let shop = Shop::open("models_cli_found").await;
    shop.write("models/t.sql", "{{ config(materialized='table') }} select 1 as id");
    shop.write("models/t.yml", "models: [{name: t, columns: [{name: id, data_tests: [not_null, unique]}]}]");
    let responses = || {
        let text = std::fs::read(shop.root().join("target/run_results.json")).expect("it was written");
        let artifact: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
        let results = artifact["results"].as_array().cloned().unwrap_or_default();
        let tests =
            results.into_iter().filter(|result| result["unique_id"].as_str().is_some_and(|id| id.starts_with("test.")));
        tests.map(|result| result["adapter_response"]["tested_at"].is_string()).collect::<Vec<_>>()
    };
    let build = |status| said(shop.models(&["build", "-s", "t"]), status);
    build(0).await;
    assert_eq!(responses(), [false, false]);
    shop.bench.warehouse("insert into analytics_marts.t values (null)").await;
    // Nobody told it. What is told again says so.
    build(0).await;
    assert_eq!(responses(), [true, true]);
    said(shop.models(&["test", "-s", "t"]), 1).await;
    let (out, errors) = build(1).await;
    assert!(errors.contains("Got 1 result, configured to fail if != 0"), "{out}{errors}");
    shop.bench.warehouse("delete from analytics_marts.t where id is null").await;
    build(0).await;
    assert_eq!(responses(), [false, false]);
    build(0).await;
    assert_eq!(responses(), [true, true]);
    // What is found before it was ever built counts for nothing, and neither what the next build makes good.
    shop.bench.warehouse("insert into analytics_marts.t values (null)").await;
    said(shop.models(&["test", "-s", "t"]), 1).await;
    said(shop.models(&["build", "-s", "t", "--full-refresh"]), 0).await;
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.t").await, "1");
    let (out, _) = build(0).await;
    assert!(out.contains("inputs unchanged"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_not_selected_is_run_when_it_is() {
    let shop = Shop::open("models_cli_some").await;
    shop.write("models/t.sql", "{{ config(materialized='table') }} select 1 as id");
    shop.write("models/t.yml", "models: [{name: t, columns: [{name: id, data_tests: [not_null, unique]}]}]");
    let some = ["build", "-s", "t", "--exclude", "unique_t_id"];
    said(shop.models(&some), 0).await;
    let (out, _) = said(shop.models(&some), 0).await;
    assert!(out.contains("inputs unchanged"), "{out}");
    let (out, _) = said(shop.models(&["build", "-s", "t"]), 0).await;
    assert!(out.contains("not all of its tests were run since it was built"), "{out}");
    for words in [&some[..], &["build", "-s", "t"]] {
        let (out, _) = said(shop.models(words), 0).await;
        assert!(out.contains("inputs unchanged"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_below_one_that_is_built_is_looked_at_again() {
    let shop = Shop::open("models_cli_below").await;
    shop.write("models/a.sql", "{{ config(materialized='table') }} select 1 as x");
    shop.write("models/b.sql", "{{ config(materialized='table') }} select x from {{ ref('a') }}");
    shop.write("models/c.sql", "{{ config(materialized='table') }} select x from {{ ref('b') }}");
    shop.write("models/aside.sql", "{{ config(materialized='table') }} select 1 as x");
    said(shop.models(&["build"]), 0).await;
    shop.write("models/a.sql", "{{ config(materialized='table') }} select 2 as x");
    let (out, _) = said(shop.models(&["build"]), 0).await;
    for (model, reason) in
        [("a", "its SQL"), ("b", "model a was built"), ("c", "model b was built"), ("aside", "inputs un")]
    {
        let line = out.lines().find(|line| line.split_whitespace().next() == Some(model)).unwrap_or_default();
        assert!(line.contains(reason), "{out}");
    }
    assert_eq!(shop.bench.text("select x::text from analytics_marts.c").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_fail_fast_begins_nothing_more() {
    let shop = Shop::open("models_cli_fast").await;
    shop.write("models/a.sql", "{{ config(materialized='table') }} select 1 / 0 as x");
    shop.write("models/z.sql", "select 1 as x");
    said(shop.models(&["run", "--fail-fast", "--threads=1"]), 1).await;
    assert_eq!(shop.results(), ["model.p.a error", "model.p.pay skipped", "model.p.z skipped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_end_well_is_tried_again_as_it_was_told_to() {
    let shop = Shop::open("models_cli_retry").await;
    shop.write("models/a.sql", "{{ config(materialized='table') }} select {{ var('n', 0) }} / {{ var('n', 0) }} as x");
    shop.write("models/b.sql", "select * from {{ ref('a') }}");
    said(shop.models(&["run", "--vars", "{m: 1}"]), 1).await;
    assert_eq!(shop.results(), ["model.p.a error", "model.p.b skipped", "model.p.pay success"]);
    said(shop.models(&["retry", "--vars", "{n: 2}"]), 0).await;
    assert_eq!(shop.results(), ["model.p.a success", "model.p.b success"]);
    assert_eq!(shop.bench.text("select x::text from analytics_marts.b").await, "1");
    let (_, errors) = said(shop.models(&["retry"]), 0).await;
    assert_eq!(errors, "nothing to try again: all ended well\n");
    said(shop.models(&["docs", "generate"]), 0).await;
    let (_, errors) = said(shop.models(&["retry"]), 2).await;
    assert!(errors.contains("it tells of no command that can be tried again"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_selected_is_read_where_another_run_has_it() {
    let shop = Shop::open("models_cli_defer").await;
    shop.write("models/a.sql", "{{ config(materialized='table') }} select '{{ target.name }}' as made_by");
    shop.write("models/b.sql", "{{ config(materialized='table') }} select made_by from {{ ref('a') }}");
    said(shop.models(&["run", "--target", "production"]), 0).await;
    let before = shop.root().join("before");
    std::fs::create_dir(&before).expect("a folder can be made");
    std::fs::copy(shop.root().join("target/manifest.json"), before.join("manifest.json")).expect("it can be copied");
    // Of now on, everything goes elsewhere.
    shop.write("dbt_project.yml", "name: p\nmodels: {p: {+schema: mine}}\n");
    let before = before.display().to_string();
    let deferred = ["run", "--target", "mine", "--select", "b", "--defer", "--state", &before];
    said(shop.models(&["run", "--target", "mine", "--select", "b"]), 1).await;
    said(shop.models(&deferred), 0).await;
    let made_by = async || shop.bench.text("select made_by from analytics_mine.b").await;
    assert_eq!(made_by().await, "production");
    said(shop.models(&["run", "--target", "mine", "--select", "a"]), 0).await;
    said(shop.models(&deferred), 0).await;
    assert_eq!(made_by().await, "mine");
    said(shop.models(&[&deferred[..], &["--favor-state"]].concat()), 0).await;
    assert_eq!(made_by().await, "production");
    let (_, errors) = said(shop.models(&["run", "--defer"]), 2).await;
    assert!(errors.contains("--defer needs --state"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_without_effect_are_not_offered() {
    let shop = Shop::open("models_cli_flags").await;
    for verb in ["test", "ls", "compile"] {
        for flag in ["--full-refresh", "--event-time-start=2024-01-01"] {
            let (_, errors) = said(shop.models(&[verb, flag]), 2).await;
            assert!(errors.contains("unexpected argument"), "{verb} {flag}: {errors}");
        }
    }
    said(shop.models(&["build", "--full-refresh", "--threads=2", "--vars", "{a: 1}"]), 0).await;
    let (_, errors) = said(shop.models(&["build", "--vars", "{a: "]), 2).await;
    assert!(errors.contains("--vars"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_selected_is_listed_and_described() {
    let shop = Shop::open("models_cli_ls").await;
    shop.write(
        "models/more.yml",
        "models: [{name: pay, columns: [{name: id, data_tests: [unique]}]}]\n\
         exposures: [{name: board, type: dashboard, owner: {name: o}, depends_on: [ref('pay')]}]\n",
    );
    shop.write("selectors.yml", "selectors: [{name: shown, definition: {method: exposure, value: board, parents: 1}}]");
    let lines = async |words: &[&str]| {
        let (out, _) = said(shop.models(&[&["ls", "--output"], words].concat()), 0).await;
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        lines(&["selector", "--selector", "shown"]).await,
        ["exposure:p.board", "p.pay", "source:p.od.payment", "p.unique_pay_id"]
    );
    assert_eq!(lines(&["name", "--select", "pay", "--indirect-selection", "empty"]).await, ["pay"]);
    assert_eq!(lines(&["path", "--resource-type", "exposure"]).await, ["models/more.yml"]);
    let json = lines(&["json", "--output-keys", "name", "--resource-type", "test"]).await;
    assert_eq!(json, ["{\"name\":\"unique_pay_id\"}"]);
    let (_, errors) = said(shop.models(&["ls", "--selector", "show"]), 2).await;
    assert!(errors.contains("selectors.yml has no such name; did you mean 'shown'?"), "{errors}");

    said(shop.models(&["build"]), 0).await;
    said(shop.models(&["docs", "generate"]), 0).await;
    let artifact = |file: &str| -> serde_json::Value {
        let text = std::fs::read(shop.root().join("target").join(file)).expect("it was written");
        serde_json::from_slice(&text).expect("it is JSON")
    };
    let (manifest, catalog) = (artifact("manifest.json"), artifact("catalog.json"));
    assert_eq!(manifest["child_map"]["model.p.pay"].as_array().map(Vec::len), Some(2));
    assert_eq!(manifest["exposures"]["exposure.p.board"]["depends_on"]["nodes"][0], "model.p.pay");
    assert_eq!(catalog["nodes"]["model.p.pay"]["columns"]["id"]["type"], "integer");

    // What changes is found by the artifacts of before.
    let before = shop.root().join("before");
    std::fs::create_dir(&before).expect("a folder can be made");
    std::fs::copy(shop.root().join("target/manifest.json"), before.join("manifest.json")).expect("it can be copied");
    shop.write("models/later.sql", "select * from {{ ref('pay') }}");
    let before = before.display().to_string();
    let modified = ["name", "--select", "state:modified", "--resource-type", "model", "--state", &before];
    assert_eq!(lines(&modified).await, ["later"]);
    let (_, errors) = said(shop.models(&["ls", "--select", "state:new"]), 2).await;
    assert!(errors.contains("give its folder with --state"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_say_when_they_are_stale_are_looked_at() {
    let shop = Shop::open("models_cli_freshness").await;
    shop.bench.warehouse("create table public.landed (id int, at timestamptz)").await;
    shop.bench
        .warehouse("insert into landed values (1, now() - interval '90 minutes'), (2, now() - interval '3 hours')")
        .await;
    let limits = "warn_after: {count: 1, period: hour}, error_after: {count: 2, period: hour}";
    shop.write(
        "models/landing.yml",
        &format!(
            "sources: [{{name: landing, schema: public, loaded_at_field: at, freshness: {{{limits}}}, tables: [{{name: landed}}, \
             {{name: second, identifier: landed, freshness: {{filter: id = 2}}}}, \
             {{name: none, identifier: landed, freshness: null}}]}}]\n"
        ),
    );
    let (out, _) = said(shop.models(&["source", "freshness"]), 1).await;
    assert!(out.contains("landing.landed  warn") && out.contains("landing.second  error"), "{out}");
    let text = std::fs::read(shop.root().join("target/sources.json")).expect("it was written");
    let sources: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    let found: Vec<&str> =
        sources["results"].as_array().into_iter().flatten().filter_map(|r| r["status"].as_str()).collect();
    assert_eq!(found, ["warn", "error"]);
    said(shop.models(&["source", "freshness", "--select", "source:landing.landed"]), 0).await;
}
