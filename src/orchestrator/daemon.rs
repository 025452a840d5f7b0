//! The resident side: waits to become the writer, goes on with what was left, and lets schedules fire.

use super::{
    Orchestrator, events,
    executor::{BegunRun, Execution, Outcome, RECORD_TIME_MAX, Stop},
    health::Health,
    patience::Patience,
    recovery::{Left, Leftover},
    scheduler::{Scheduler, Ticker},
    vitals::{Heart, Loop},
    writer::{self, Standing, Writership},
};
use crate::{
    domain::{RunId, RunState},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

impl Orchestrator {
    /// Runs until told to stop. Outages of either database are
    /// waited out, however long.
    ///
    /// # Errors
    /// A schedule that can't be read, or a worker of this process that ended by itself: whoever started
    /// the process starts it again.
    pub async fn serve(&self, health: watch::Sender<Health>, stop: Stop) -> Result<()> {
        let scheduler = Scheduler::new(&self.config)?;
        let mut ticker = Ticker::start();
        let (sender, standing) = watch::channel(Standing::Waiting);
        let over = CancellationToken::new();
        let mut background = JoinSet::new();
        background.spawn(writer::keep(self.clone(), writer::holder("serve"), None, sender, over.clone()));
        let (told, telling) = (health.subscribe(), over.clone());
        let (me, stands) = (self.clone(), standing.clone());
        background.spawn(async move { me.tell(stands, told, telling).await });
        let me = self.clone();
        let asking = over.clone();
        background.spawn(async move { me.watch_health(health, asking).await });
        let (me, measuring) = (self.clone(), over.clone());
        background.spawn(async move { me.measure(measuring).await });
        let reigns = async {
            let reigned = self.reign(&scheduler, &mut ticker, standing, &stop).await;
            over.cancel();
            reigned
        };
        let (reigned, watched) = tokio::join!(reigns, supervise(&mut background, &over, &stop.drain));
        reigned.and(watched)
    }

    /// One reign after the other, until told to stop.
    async fn reign(
        &self,
        scheduler: &Scheduler,
        ticker: &mut Ticker,
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
    /// Runs under way that are left to a newer program.
    newer: BTreeSet<RunId>,
    /// When the last turn was, by the clock on the wall.
    turned_at: Option<DateTime<Utc>>,
    /// A turn failed, and a run may have begun whose number got lost on the way; or one ended, and the
    /// control plane does not know it.
    in_doubt: bool,
}

impl<'a> Reign<'a> {
    fn new(orchestrator: &'a Orchestrator, scheduler: &'a Scheduler, writership: Writership, stop: Stop) -> Self {
        let (runs, running, newer) = (JoinSet::new(), BTreeMap::new(), BTreeSet::new());
        Self { orchestrator, scheduler, writership, stop, runs, running, newer, turned_at: None, in_doubt: false }
    }

    async fn last(mut self, ticker: &mut Ticker) {
        info!("this process is the writer");
        // Ends with this reign.
        let mut watches = JoinSet::new();
        watches.spawn(events::watch_changes(self.orchestrator.clone(), self.writership.clone()));
        watches.spawn(events::watch_files(self.orchestrator.clone(), self.writership.clone()));
        let heart = self.orchestrator.heart(Loop::Scheduler);
        if self.begin(&heart).await.is_some() {
            let mut patience = Patience::new();
            loop {
                heart.beat();
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
        // From here on, the runs' own hearts tell.
        drop(heart);
        while let Some(ended) = self.runs.join_next().await {
            self.take_end(ended);
        }
    }

    /// Takes over what was left, and the schedules. `None`: told to stop before that was done.
    async fn begin(&mut self, heart: &Heart) -> Option<()> {
        let mut patience = Patience::new();
        loop {
            heart.beat();
            let error = tokio::select! {
                () = self.stop.drain.cancelled() => return None,
                () = self.writership.lost() => return None,
                ready = self.take_over() => match ready {
                    Ok(leftover) => {
                        self.go_on_with(leftover);
                        return Some(());
                    }
                    Err(error) => error,
                }
            };
            let patient = patience.after(&error, "the control plane does not answer; trying again");
            self.stop.drain.run_until_cancelled(patient).await?;
        }
    }

    async fn take_over(&self) -> Result<Leftover> {
        self.scheduler.reconcile(&self.orchestrator.state, self.orchestrator.clock.now()).await?;
        self.orchestrator.take_over(Left::ByDead, |_| true).await
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
        if let Some(before) = self.turned_at.filter(|before| now < *before) {
            let (from, to) = (before.to_rfc3339(), now.to_rfc3339());
            warn!(from, to, "the clock was put back; when schedules are due is computed anew");
            self.scheduler.reconcile(&o.state, now).await?;
        }
        self.turned_at = Some(now);
        if self.in_doubt {
            self.adopt().await?;
        }
        let running = self.running.values().cloned().collect();
        let is_quiet = o.source.quiet_until().is_some();
        let started = self.scheduler.fire_due(&o.state, &o.metrics, now, &running, is_quiet).await?;
        for run in started {
            info!(run = run.id.0, schedule = run.schedule, "run begun");
            self.go_on(run);
        }
        Ok(())
    }

    /// Takes up runs that this process began without learning of it.
    async fn adopt(&mut self) -> Result<()> {
        let is_left = |run| !self.running.contains_key(&run) && !self.newer.contains(&run);
        let leftover = self.orchestrator.take_over(Left::InDoubt, is_left).await?;
        self.go_on_with(leftover);
        self.in_doubt = false;
        Ok(())
    }

    fn go_on_with(&mut self, leftover: Leftover) {
        self.newer.extend(leftover.newer);
        leftover.runs.into_iter().for_each(|run| self.go_on(run));
    }

    fn go_on(&mut self, run: BegunRun) {
        let (number, schedule) = (run.id, run.schedule.clone());
        let execution = Execution::new(self.orchestrator, run, self.writership.clone(), self.stop.clone(), false);
        let span = info_span!("run", run = number.0, schedule, trace_id = execution.trace.trace_id());
        self.running.insert(number, schedule);
        let (state, clock) = (self.orchestrator.state.clone(), self.orchestrator.clock.clone());
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
