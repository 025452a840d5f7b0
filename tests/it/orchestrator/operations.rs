//! What a project wants done before and after its models.

use super::*;

/// Runs once, by hand; the exit status.
async fn run(bench: &Bench, more: &str) -> Option<i32> {
    let mut command = bench.amalgam_with(more);
    command.args(["--log-filter", "off", "run"]).output().await.expect("it ends").status.code()
}

fn write_statements(bench: &Bench, start: &str) {
    let end = "insert into public.told select '{{ result.status }} {{ result.node.name }}'";
    let end = format!(
        "{{% for result in results %}}{end}; {{% endfor %}}insert into public.told values ('{{{{ schemas | join }}}}')"
    );
    let project = format!(
        "name: p\non-run-start: {start:?}\non-run-end: {end:?}\nmodels:\n  p:\n    +materialized: table\n    +schema: marts\n"
    );
    std::fs::write(bench.files().join("project/dbt_project.yml"), project).expect("a file can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_does_what_the_project_wants_before_and_after_its_models() {
    let bench = Servers::fresh("operations").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    bench.warehouse("create table public.told (what text)").await;
    write_statements(&bench, "insert into public.told values ('begun')");
    let broken = bench.files().join("project/models/broken.sql");
    std::fs::write(&broken, "select 1 / 0 as x").expect("a file can be written");
    let more = models_section(&bench);
    let told = async || bench.text("select string_agg(what, ', ' order by what) from public.told").await;
    assert_eq!(run(&bench, &more).await, Some(1));
    let all = "analytics_marts, begun, error broken, success collections, success patients, success stg_payment";
    assert_eq!(told().await, all);
    std::fs::remove_file(&broken).expect("it is there");
    // A text of several statements happens as a whole or not at all.
    write_statements(&bench, "insert into public.told values ('half'); insert into public.no_such values (1)");
    bench.source("insert into patient (PatNum) values (77)").await;
    assert_eq!(run(&bench, &more).await, Some(1));
    assert!(!told().await.contains("half"));
    bench.warehouse("truncate public.told; insert into public.told values ('nothing more')").await;
    // What fails before the models holds them up, and not the tables.
    write_statements(&bench, "insert into public.no_such values ('begun')");
    bench.source("insert into payment (PatNum, PayAmt) values (2, 7)").await;
    assert_eq!(run(&bench, &more).await, Some(1));
    assert_eq!(told().await, "nothing more");
    assert_eq!(bench.text("select count(*) from raw.payment").await, "3");
    // MyISAM's clock counts seconds: what was written a moment ago may be read once more.
    let tasks = "select string_agg(concat_ws(' ', subject, state), ', ' order by subject collate \"C\") \
                 from amalgam.task where run_id = (select max(run_id) from amalgam.run) and subject not like '%patient%'";
    let skipped = "model.p.collections skipped, model.p.stg_payment skipped, \
                   on-run-end skipped, on-run-start failed, payment succeeded";
    assert_eq!(bench.text(tasks).await, skipped);
    // And is made good by the next run, though no table changes.
    write_statements(&bench, "select 1");
    assert_eq!(run(&bench, &more).await, Some(0));
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("127.5"));
}
