//! What the command says while it works, and how it ends.

use super::{Shop, command::said};
use crate::harness::until;

const TALKING: &str = "
{{ config(materialized='table', post_hook='{{ log(\"hook of \" ~ this.name, info=true) }} select 1') }}
{{ log('looking at ' ~ model.name, info=true) }}{{ log('unheard') }}{{ print('printed') }}
select id from {{ source('od', 'payment') }}";

#[tokio::test(flavor = "multi_thread")]
async fn what_templates_say_to_people_is_printed_once() {
    let shop = Shop::open("models_says").await;
    shop.write("models/talk.sql", TALKING);
    shop.write("models/ephemeral.sql", "{{ config(materialized='ephemeral') }} select 1 as a");
    shop.write("tests/quiet.sql", "{{ log('a test', info=true) }} select * from {{ ref('talk') }} where id is null");
    let hooks = "on-run-start: \"{{ log('begun', info=true) }}\"\non-run-end: [\"{{ print('ended') }}\"]\n";
    shop.write("dbt_project.yml", &format!("name: p\n{hooks}"));
    let (out, _) = said(shop.models(&["build", "--select", "talk"]), 0).await;
    let lines: Vec<&str> = out.lines().take(6).collect();
    assert_eq!(lines, ["begun", "looking at talk", "printed", "hook of talk", "a test", "ended"], "{out}");
    let (out, _) = said(shop.models(&["test", "--select", "talk"]), 0).await;
    assert_eq!(out.lines().take(3).collect::<Vec<_>>(), ["begun", "a test", "ended"], "{out}");
    let (out, _) = said(shop.models(&["compile", "--select", "talk", "--exclude", "quiet"]), 0).await;
    assert!(out.starts_with("looking at talk\nprinted\n") && out.trim_end().ends_with("\"payment\""), "{out}");

    // For a program, standard output holds what it asked for alone.
    let (out, errors) = said(shop.models(&["build", "--select", "talk", "--always", "--format", "json"]), 0).await;
    let rows: serde_json::Value = serde_json::from_str(&out).expect("JSON alone");
    assert_eq!(rows[0]["model"], "talk");
    assert!(errors.starts_with("begun\nlooking at talk\nprinted\nhook of talk\na test\nended\n"), "{errors}");

    // Before it fails, too.
    shop.write(
        "models/talk.sql",
        "{{ print('so far') }}{% if execute %}{{ exceptions.raise_compiler_error('no') }}{% endif %}",
    );
    let (out, errors) = said(shop.models(&["run", "--select", "talk"]), 1).await;
    assert!(out.contains("so far\n") && errors.contains("models/talk.sql:1: no"), "{out}{errors}");
    assert_eq!(out.matches("so far").count(), 1, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_nothing_is_there_and_is_not_built() {
    let shop = Shop::open("models_empty_file").await;
    shop.write("models/nothing.sql", " \n\n");
    shop.write("tests/nothing_either.sql", "");
    shop.write("snapshots/none.sql", "");
    shop.write("models/comments.sql", "{{ config(materialized='table') }}\n-- {{ 'later' }}\n");
    let (out, _) = said(shop.models(&["ls"]), 0).await;
    assert_eq!(out, "p.comments\np.nothing\np.pay\nsource:p.od.payment\np.nothing_either\n");
    let (out, _) = said(shop.models(&["build", "--exclude", "comments", "--target-path", "made"]), 0).await;
    assert!(shop.root().join("made/run_results.json").is_file() && !shop.root().join("target").exists());
    assert!(!out.contains("nothing") && out.contains("pay"), "{out}");
    let nodes = shop.load().expect("a good project").nodes();
    let ids: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(ids, ["model.p.comments", "model.p.pay"]);
    let error = shop.build("comments").await.expect_err("there is no query").to_string();
    assert!(error.starts_with("models/comments.sql: its SQL is empty"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_begin_ends_with_two() {
    let shop = Shop::open("models_exit").await;
    for words in [
        &["build"] as &[_],
        &["run"],
        &["test"],
        &["docs", "generate"],
        &["source", "freshness"],
        &["show", "--select", "pay"],
    ] {
        let mut command = shop.models(words);
        command.args(["--set", "warehouse.host=127.0.0.1", "--set", "warehouse.port=1"]);
        let (_, errors) = said(command, 2).await;
        assert!(errors.contains("error: connecting to the warehouse at 127.0.0.1:1"), "{words:?}: {errors}");
    }
    shop.write("models/docs.md", "{% docs money %}What was paid.{% enddocs %}");
    shop.write(
        "models/pay.yml",
        "models:\n  - name: pay\n    columns:\n      - name: id\n        description: \"{{ doc('monney') }}\"\n",
    );
    let (_, errors) = said(shop.models(&["build"]), 2).await;
    let told = "error: models/pay.yml:2: pay, column id: description: doc('monney'): there is no such text; did you mean 'money'?\n";
    assert!(errors.starts_with(told), "{errors}");
    std::fs::remove_file(shop.root().join("models/pay.yml")).expect("it was written");
    std::fs::remove_file(shop.root().join("dbt_project.yml")).expect("it was written");
    let (_, errors) = said(shop.models(&["build"]), 2).await;
    assert!(
        errors.contains("dbt_project.yml: there is no such file\nremedy: name the folder of dbt_project.yml"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_errors_where_that_is_asked_for() {
    let shop = Shop::open("models_warn_error").await;
    shop.write("tests/odd.sql", "{{ config(severity='warn') }} select * from {{ ref('pay') }}");
    said(shop.models(&["build"]), 0).await;
    for words in [&["--warn-error"] as &[_], &["--warn-error-options", "{error: [LogTestResult]}"]] {
        let (_, errors) = said(shop.models(&[&["build"], words].concat()), 1).await;
        assert!(errors.contains("Got 2 results, configured to fail if != 0"), "{errors}");
    }
    said(shop.models(&["build", "--warn-error-options", "{error: all, warn: [LogTestResult]}"]), 0).await;

    shop.write("tests/lost.sql", "select * from {{ ref('nix') }}");
    let told = "tests/lost.sql: test lost: ref('nix'): there is no such model; it is left out";
    let (_, errors) = said(shop.models(&["parse", "--warn-error"]), 2).await;
    assert!(errors.contains(&format!("error: {told} (NodeNotFoundOrDisabled, an error by --warn-error)")), "{errors}");
    let (_, errors) = said(shop.models(&["parse"]), 0).await;
    assert!(errors.contains(told), "{errors}");
    let silent = ["parse", "--warn-error-options", "{silence: [NodeNotFoundOrDisabled]}"];
    assert_eq!(said(shop.models(&silent), 0).await.1, "");
    said(shop.models(&["ls", "--select", "tag:no", "--warn-error-options", "{error: [NothingToDo]}"]), 0).await;
    said(
        shop.models(&["ls", "--select", "tag:no", "--warn-error-options", "{error: [NoNodesForSelectionCriteria]}"]),
        2,
    )
    .await;
    said(shop.models(&["parse", "--warn-error-options", "{eror: all}"]), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_builds_of_one_model_at_once_take_turns() {
    let shop = Shop::open("models_turns").await;
    shop.write("models/slow.sql", "{{ config(materialized='table') }} select id from {{ source('od', 'payment') }}");
    let models = shop.load().expect("a good project");
    let (holder, _task) = shop.bench.client().await;
    let lock = "hashtextextended('model.p.slow', 0)";
    holder.batch_execute(&format!("select pg_advisory_lock({lock})")).await.expect("it is free");
    let waiting =
        "select count(*) from pg_stat_activity where wait_event = 'advisory' and datname = current_database()";
    let release = async {
        until("both wait", async || shop.bench.text(waiting).await == "2").await;
        holder.batch_execute(&format!("select pg_advisory_unlock({lock})")).await.expect("it was held");
    };
    let slow = super::id("slow");
    let (first, second, ()) = tokio::join!(models.build(&slow, false), models.build(&slow, false), release);
    let mut built = [first, second].map(|outcome| outcome.expect("each comes to its turn").built);
    built.sort_unstable();
    assert_eq!(built, [false, true], "the second finds nothing to do");
}
