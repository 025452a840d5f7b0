//! What fails for a moment is tried again, after a wait, and both tries are remembered.

use crate::{
    harness::{Bench, Servers},
    proxy::{Fault, Proxy},
};
use amalgam::{
    domain::{Clock, RunState, TaskState},
    orchestrator::{Event, Orchestrator, RunRequest, Stop},
    telemetry::Metrics,
};
use std::{sync::Arc, time::Duration};

/// Far less than the table, far more than the plan.
const CUT_AFTER_BYTES: u64 = 400_000;

async fn attempts(bench: &Bench) -> Vec<String> {
    let query = "select number || ' ' || state || coalesce(' ' || error_kind, '') from amalgam.attempt order by number";
    bench.texts(query).await.into_iter().flatten().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_cut_off_comes_with_the_second_attempt_after_a_wait() {
    let bench = Servers::fresh("retries").await;
    let rows = "select seq, repeat('x', 150) from seq_1_to_10000";
    bench.source(&format!("create table t (k int primary key, v varchar(200)); insert into t {rows}")).await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let mut config = bench.config();
    config.source.port = proxy.port();
    config.retry.delay_milliseconds_initial = 400;
    let orchestrator =
        Orchestrator::new(Arc::new(config), Clock::system(), Arc::new(Metrics::new())).expect("the settings are right");
    let mut events = orchestrator.events();
    proxy.set(Fault::Close(CUT_AFTER_BYTES));
    let healing = async {
        loop {
            if let Event::Ended { state, .. } = events.recv().await.expect("the run goes on") {
                assert_eq!(state, TaskState::Pending, "it is tried again");
                break proxy.set(Fault::None);
            }
        }
    };
    let run = orchestrator.run_once(RunRequest::default(), Stop::default());
    let (ran, ()) = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(run, healing) })
        .await
        .expect("the run ends");
    assert_eq!(ran.expect("the run is recorded").state, RunState::Succeeded);
    orchestrator.close().await;
    assert_eq!(attempts(&bench).await, ["1 failed source_lost", "2 succeeded"]);
    let waited = "select b.started_at - a.ended_at >= interval '200 milliseconds' from amalgam.attempt a \
                  join amalgam.attempt b on b.task_id = a.task_id and b.number = a.number + 1";
    assert_eq!(bench.text(waited).await, "t");
    assert_eq!(bench.text("select count(*) from raw.t").await, "10000");
}
