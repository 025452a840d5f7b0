//! Signs of life come from loops that turn, and not from a timer.

use super::*;
use amalgam::orchestrator::Loop;
use tokio::{sync::watch, task::JoinSet};

/// A loop that turns each second has turned within this.
const LATELY: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_waits_is_told_from_those_that_turn() {
    let bench = Servers::fresh("vitals").await;
    bench.source("create table visit (id bigint primary key) engine=MyISAM; insert into visit values (1)").await;
    let mut config = config(&bench);
    let schedule = serde_json::json!({ "name": "often", "cron": "* * * * * *" });
    config.schedule.push(serde_json::from_value(schedule).expect("a schedule"));
    let orchestrator = Orchestrator::new(Arc::new(config), Clock::system(), Arc::new(Metrics::new()));
    let orchestrator = orchestrator.expect("a good configuration");
    let writer = bench.lock_source("visit").await;
    let (stop, mut serving) = (Stop::default(), JoinSet::new());
    let (daemon, told) = (orchestrator.clone(), stop.clone());
    serving.spawn(async move { daemon.serve(watch::Sender::default(), told).await });

    let silence = |of: Loop| orchestrator.vitals().silence().get(&of).copied();
    let turned = |of: Loop| silence(of).is_some_and(|silence| silence < LATELY);
    until("each loop turns", async || {
        let run = orchestrator.vitals().runs().first().copied();
        run.is_some_and(|run| turned(Loop::Run(run))) && turned(Loop::Scheduler) && turned(Loop::Writer)
    })
    .await;
    assert!(silence(Loop::Health).is_some());
    let run = orchestrator.vitals().runs()[0];

    // Where somebody has locked the schedules, a turn waits, and no timer pretends that it doesn't.
    let (locker, _connection) = bench.client().await;
    locker.batch_execute("begin; lock table amalgam.schedule in access exclusive mode").await.expect("it is there");
    until("the scheduler does not turn", async || silence(Loop::Scheduler).is_some_and(|s| s > LATELY * 2)).await;
    assert!(turned(Loop::Writer) && turned(Loop::Run(run)), "{:?}", orchestrator.vitals().silence());
    assert_eq!(orchestrator.vitals().late(), [], "an outage is not a hang");
    locker.batch_execute("rollback").await.expect("it ends");
    until("the scheduler turns again", async || turned(Loop::Scheduler)).await;

    drop(writer);
    until("the run ends", async || orchestrator.vitals().last_run().is_some()).await;
    stop.drain.cancel();
    while let Some(ended) = serving.join_next().await {
        ended.expect("it does not panic").expect("it ends well");
    }
    assert!(orchestrator.vitals().silence().is_empty(), "what has ended has no heart left");
}
