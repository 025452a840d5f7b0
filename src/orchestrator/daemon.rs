//! The resident side: waits to become the writer, goes on with what was left, and lets schedules fire.

use super::{
    Orchestrator,
    executor::{Execution, Outcome, RECORD_TIME_MAX, Stop},
    health::Health,
    patience::Patience,
    recovery::Orphan,
    scheduler::{Scheduler, Started, Ticker},
    writer::{self, Standing, Writership},
};
use crate::{
    domain::{RunId, RunState},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Duration, Utc};
use futures_util::FutureExt;
use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span};

/// How often old runs are forgotten.
const FORGET_HOURS: i64 = 1;

impl Orchestrator {
    /// Runs until told to stop. Outages of either database are
    /// waited out, however long.
    ///
    /// # Errors
    /// A schedule that can't be read, or a worker of this process that ended by itself: whoever started
    /// the process starts it again.
    pub async fn serve(&self, health: watch::Sender<Health>, stop: Stop) -> Result<()> {
        let scheduler = Scheduler::new(&self.config)?;
        let ticker = Ticker::start().await?;
        let (sender, standing) = watch::channel(Standing::Waiting);
        let over = CancellationToken::new();
        let mut background = JoinSet::new();
        let (state, clock, metrics) = (self.state.clone(), self.clock.clone(), Arc::clone(&self.metrics));
        background.spawn(writer::keep(state, clock, metrics, writer::holder("serve"), None, sender, over.clone()));
        let me = self.clone();
        let asking = over.clone();
        background.spawn(async move { me.watch_health(health, asking).await });
        let reigns = async {
            let reigned = self.reign(&scheduler, &ticker, standing, &stop).await;
            over.cancel();
            reigned
        };
        let (reigned, watched) = tokio::join!(reigns, supervise(&mut background, &over, &stop.drain));
        ticker.stop().await;
        reigned.and(watched)
    }

    /// One reign after the other, until told to stop.
    async fn reign(
        &self,
        scheduler: &Scheduler,
        ticker: &Ticker,
        mut standing: watch::Receiver<Standing>,
        stop: &Stop,
    ) -> Result<()> {
        let watched = standing.clone();
        while let Some(reign) = next_reign(&mut standing, &stop.drain).await? {
            let writership = Writership::new(watched.clone(), reign);
            Reign::new(self, scheduler, writership, stop.clone()).last(ticker).await;
        }
        Ok(())
    }
}

/// Waits until this process is the writer, and says in which reign. `None`: told to stop.
///
/// # Errors
/// Nobody asks for the lock any more.
async fn next_reign(standing: &mut watch::Receiver<Standing>, drain: &CancellationToken) -> Result<Option<i64>> {
    loop {
        let Some(stands) = drain.run_until_cancelled(standing.wait_for(|s| *s != Standing::Waiting)).await else {
            return Ok(None);
        };
        match stands.as_deref() {
            Ok(Standing::Writer(reign)) => return Ok(Some(*reign)),
            Ok(Standing::Waiting) => {}
            Err(_) => return Err(Error::new(Kind::Internal, "nobody looks after the writer's lock any more")),
        }
    }
}

/// Waits for the workers behind the reign. One that ends before it is told to ends them all: without it
/// this process would go on, and know nothing.
async fn supervise(workers: &mut JoinSet<()>, over: &CancellationToken, drain: &CancellationToken) -> Result<()> {
    let mut watched = Ok(());
    while workers.join_next().await.is_some() {
        if !over.is_cancelled() {
            watched = Err(Error::new(Kind::Internal, "a worker in the background ended by itself"));
            drain.cancel();
        }
    }
    watched
}

/// The time between becoming the writer and the end, or another's becoming it.
struct Reign<'a> {
    orchestrator: &'a Orchestrator,
    scheduler: &'a Scheduler,
    writership: Writership,
    stop: Stop,
    /// The runs under way; each ends with its number, and whether the control plane knows of its end.
    runs: JoinSet<(RunId, bool)>,
    /// Their schedules.
    running: BTreeMap<RunId, String>,
    forgot_at: Option<DateTime<Utc>>,
    /// A turn failed, and a run may have begun whose number got lost on the way; or one ended, and the
    /// control plane does not know it.
    in_doubt: bool,
}

impl<'a> Reign<'a> {
    fn new(orchestrator: &'a Orchestrator, scheduler: &'a Scheduler, writership: Writership, stop: Stop) -> Self {
        let (runs, running) = (JoinSet::new(), BTreeMap::new());
        Self { orchestrator, scheduler, writership, stop, runs, running, forgot_at: None, in_doubt: false }
    }

    async fn last(mut self, ticker: &Ticker) {
        info!("this process is the writer");
        if self.begin().await.is_some() {
            let mut patience = Patience::new();
            loop {
                tokio::select! {
                    () = self.stop.drain.cancelled() => break,
                    () = self.writership.lost() => break,
                    Some(ended) = self.runs.join_next() => self.take_end(ended),
                    () = ticker.tick() => {
                        // While the lock is away, what is due waits; the catch-up rule decides later.
                        if self.writership.is_held() {
                            self.take_turn(&mut patience).await;
                        }
                    }
                }
            }
        }
        while let Some(ended) = self.runs.join_next().await {
            self.take_end(ended);
        }
    }

    /// Takes over what was left, and the schedules. `None`: told to stop before that was done.
    async fn begin(&mut self) -> Option<()> {
        let mut patience = Patience::new();
        loop {
            let error = tokio::select! {
                () = self.stop.drain.cancelled() => return None,
                () = self.writership.lost() => return None,
                ready = self.take_over() => match ready {
                    Ok(orphans) => {
                        for orphan in orphans {
                            self.go_on(orphan);
                        }
                        return Some(());
                    }
                    Err(error) => error,
                }
            };
            let patient = patience.after(&error, "the control plane does not answer; trying again");
            self.stop.drain.run_until_cancelled(patient).await?;
        }
    }

    async fn take_over(&self) -> Result<Vec<Orphan>> {
        self.scheduler.reconcile(&self.orchestrator.state, self.orchestrator.clock.now()).await?;
        self.orchestrator.take_over(|_| true).await
    }

    /// One tick, and a wait behind it where it failed. Cut short when told to stop: a run that began without
    /// this process's learning of it is taken over at the next start.
    async fn take_turn(&mut self, patience: &mut Patience) {
        let (drain, writership) = (self.stop.drain.clone(), self.writership.clone());
        let turned = tokio::select! {
            turned = self.turn() => turned,
            () = drain.cancelled() => return,
            () = writership.lost() => return,
        };
        match turned {
            Ok(()) => patience.reset(),
            Err(error) => {
                self.in_doubt = true;
                let patient = patience.after(&error, "the schedules can't be read; trying again");
                // Whether it was cut short is seen at the next turn of the loop.
                let _ = self.stop.drain.run_until_cancelled(patient).await;
            }
        }
    }

    async fn turn(&mut self) -> Result<()> {
        let o = self.orchestrator;
        let now = o.clock.now();
        if self.in_doubt {
            self.adopt().await?;
        }
        let running = self.running.values().cloned().collect();
        let is_quiet = o.source.quiet_until().is_some();
        let started = self.scheduler.fire_due(&o.state, &o.metrics, now, &running, is_quiet).await?;
        for Started { run, schedule, request } in started {
            info!(run = run.0, schedule, "run begun");
            self.go_on(Orphan { run, schedule, request, is_planned: false, in_part: false });
        }
        if self.forgot_at.is_none_or(|t| now - t >= Duration::hours(FORGET_HOURS)) {
            let more_are_left = o.state.forget_runs(now).await?;
            self.forgot_at = (!more_are_left).then_some(now);
        }
        Ok(())
    }

    /// Takes up runs that this process began without learning of it.
    async fn adopt(&mut self) -> Result<()> {
        for orphan in self.orchestrator.take_over(|run| !self.running.contains_key(&run)).await? {
            self.go_on(orphan);
        }
        self.in_doubt = false;
        Ok(())
    }

    fn go_on(&mut self, run: Orphan) {
        let schedule = run.schedule.clone();
        let span = info_span!("run", run = run.run.0, schedule);
        let execution = Execution {
            orchestrator: self.orchestrator.clone(),
            run: run.run,
            schedule: run.schedule,
            request: run.request,
            is_planned: run.is_planned,
            in_part: run.in_part,
            writership: self.writership.clone(),
            stop: self.stop.clone(),
            is_cancelled_by_stop: false,
        };
        self.running.insert(execution.run, schedule);
        let (state, clock, number) = (self.orchestrator.state.clone(), self.orchestrator.clock.clone(), execution.run);
        let carried_out = async move {
            match AssertUnwindSafe(execution.carry_out()).catch_unwind().await {
                Ok(Outcome::Ended(..) | Outcome::Interrupted) => (number, true),
                Ok(Outcome::Unrecorded(_)) => (number, false),
                Err(_) => {
                    let cause = Error::new(Kind::Internal, "the run panicked");
                    error!(kind = %cause.kind, error = %cause, remedy = cause.remedy(), "the run failed");
                    // Should this fail too, the next start goes on with the run.
                    let ending = state.end_run(number, RunState::Failed, Some(&cause), clock.now());
                    let _ = tokio::time::timeout(RECORD_TIME_MAX, ending).await;
                    (number, true)
                }
            }
        };
        self.runs.spawn(carried_out.instrument(span));
    }

    fn take_end(&mut self, ended: Result<(RunId, bool), tokio::task::JoinError>) {
        let (run, is_known) = ended.expect("a run catches its own panics and is not aborted");
        self.running.remove(&run);
        // It is taken up again, and ends as it ended, once the control plane lets it.
        self.in_doubt |= !is_known;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_that_nobody_looks_after_is_an_error_and_no_hot_loop() {
        let drain = CancellationToken::new();
        let (keeper, mut standing) = watch::channel(Standing::Waiting);
        drop(keeper);
        let error = next_reign(&mut standing, &drain).await.expect_err("it can't become the writer any more");
        assert_eq!(error.kind, Kind::Internal);
        // Told to stop, it stops without an error.
        let (_keeper, mut standing) = watch::channel(Standing::Waiting);
        drain.cancel();
        assert_eq!(next_reign(&mut standing, &drain).await.expect("it is told to stop"), None);
    }

    #[tokio::test]
    async fn a_worker_that_ends_by_itself_ends_the_daemon_and_one_that_is_told_to_does_not() {
        let (over, drain) = (CancellationToken::new(), CancellationToken::new());
        let mut workers = JoinSet::new();
        workers.spawn(over.clone().cancelled_owned());
        workers.spawn(async { panic!("a fault of this program") });
        let reigns = async {
            drain.cancelled().await;
            over.cancel();
        };
        let ((), watched) = tokio::join!(reigns, supervise(&mut workers, &over, &drain));
        assert_eq!(watched.expect_err("one of them fell").kind, Kind::Internal);
        workers.spawn(over.clone().cancelled_owned());
        assert!(supervise(&mut workers, &over, &CancellationToken::new()).await.is_ok());
    }
}
