//! The resident side: waits to become the writer, goes on with what was left, and lets schedules fire.

use super::{
    Orchestrator,
    executor::{Execution, Stop},
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
    /// Runs until `drain`: what is under way then may end, until `abort`. Outages of either database are
    /// waited out, however long.
    ///
    /// # Errors
    /// A schedule that can't be read; nothing else.
    pub async fn serve(
        &self,
        health: watch::Sender<Health>,
        drain: CancellationToken,
        abort: CancellationToken,
    ) -> Result<()> {
        let scheduler = Scheduler::new(&self.config)?;
        let ticker = Ticker::start().await?;
        let (sender, mut standing) = watch::channel(Standing::Waiting);
        let over = CancellationToken::new();
        let mut background = JoinSet::new();
        let (state, clock, metrics) = (self.state.clone(), self.clock.clone(), Arc::clone(&self.metrics));
        background.spawn(writer::keep(state, clock, metrics, None, sender, over.clone()));
        let me = self.clone();
        let asking = over.clone();
        background.spawn(async move { me.watch_health(health, asking).await });
        let watched = standing.clone();
        while drain.run_until_cancelled(standing.wait_for(|s| *s != Standing::Waiting)).await.is_some() {
            let Standing::Writer(reign) = *standing.borrow() else { continue };
            let writership = Writership::new(watched.clone(), reign);
            let stop = Stop { drain: drain.clone(), abort: abort.clone(), cancels: false };
            Reign::new(self, &scheduler, writership, stop).last(&ticker).await;
        }
        over.cancel();
        while background.join_next().await.is_some() {}
        ticker.stop().await;
        Ok(())
    }
}

/// The time between becoming the writer and the end, or another's becoming it.
struct Reign<'a> {
    orchestrator: &'a Orchestrator,
    scheduler: &'a Scheduler,
    writership: Writership,
    stop: Stop,
    /// The runs under way; each ends with its number.
    runs: JoinSet<RunId>,
    /// Their schedules.
    running: BTreeMap<RunId, String>,
    forgot_at: Option<DateTime<Utc>>,
    /// A turn failed: a run may have begun whose number got lost on the way.
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
                        if self.writership.is_held() && let Err(error) = self.turn().await {
                            self.in_doubt = true;
                            patience.after(&error, "the schedules can't be read; trying again").await;
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
            patience.after(&error, "the control plane does not answer; trying again").await;
        }
    }

    async fn take_over(&self) -> Result<Vec<Orphan>> {
        self.scheduler.reconcile(&self.orchestrator.state, self.orchestrator.clock.now()).await?;
        self.orchestrator.take_over(|_| true).await
    }

    /// One tick.
    async fn turn(&mut self) -> Result<()> {
        let o = self.orchestrator;
        let now = o.clock.now();
        if self.in_doubt {
            self.adopt().await?;
        }
        let running = self.running.values().cloned().collect();
        let started = self.scheduler.fire_due(&o.state, &o.metrics, now, &running).await?;
        for Started { run, schedule, request } in started {
            info!(run = run.0, schedule, "run begun");
            self.go_on(Orphan { run, schedule, request, is_planned: false, in_part: false });
        }
        if self.forgot_at.is_none_or(|t| now - t >= Duration::hours(FORGET_HOURS)) {
            o.state.forget_runs(now).await?;
            self.forgot_at = Some(now);
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
        };
        self.running.insert(execution.run, schedule);
        let (state, clock, number) = (self.orchestrator.state.clone(), self.orchestrator.clock.clone(), execution.run);
        let carried_out = async move {
            if AssertUnwindSafe(execution.carry_out()).catch_unwind().await.is_err() {
                let cause = Error::new(Kind::Internal, "the run panicked");
                error!(kind = %cause.kind, error = %cause, remedy = cause.remedy(), "the run failed");
                // Should this fail too, the next start goes on with the run.
                let _ = state.end_run(number, RunState::Failed, Some(&cause), clock.now()).await;
            }
            number
        };
        self.runs.spawn(carried_out.instrument(span));
    }

    fn take_end(&mut self, ended: Result<RunId, tokio::task::JoinError>) {
        let run = ended.expect("a run catches its own panics and is not aborted");
        self.running.remove(&run);
    }
}
