//! What is due now.
//!
//! `tokio-cron-scheduler` only wakes us, each second. What is due comes from the persisted time of the
//! next fire, so that nothing is forgotten over a restart, and from [`super::cron`], so that zones and
//! their changes are right. Guarantee: each fire happens once, whoever notices it.

use super::{RunRequest, cron::Timetable};
use crate::{
    config::{CatchUp, Config, Overlap, Schedule},
    domain::{RunId, ScheduleName},
    error::{Error, Kind, Result},
    state::{Fire, NewRun, ScheduleRow, State},
    telemetry::Metrics,
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};
use tracing::{info, warn};

/// A fire noticed later than this was missed, and the catch-up rule decides.
const MISSED_SECONDS: i64 = 60;

/// The schedules of the configuration.
pub(super) struct Scheduler {
    schedules: BTreeMap<String, (Schedule, Timetable)>,
}

/// A run that a fire began.
pub(super) struct Started {
    pub(super) run: RunId,
    pub(super) schedule: String,
    pub(super) request: RunRequest,
}

/// What is done about a schedule that is due.
#[derive(Debug, PartialEq, Eq)]
struct Decision {
    due: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    does: Does,
}

#[derive(Debug, PartialEq, Eq)]
enum Does {
    Run,
    Queue,
    /// The last run waits for the end of the source's quiet hours, and stands for this one too.
    Join,
    /// With the reason, in words.
    Leave(&'static str),
}

impl Scheduler {
    /// Reads the expressions.
    ///
    /// # Errors
    /// A wrong expression or zone.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let read = |s: &Schedule| Ok((s.name.clone(), (s.clone(), Timetable::new(s)?)));
        Ok(Self { schedules: config.schedule.iter().map(read).collect::<Result<_>>()? })
    }

    /// Makes the control plane's schedules those of the configuration. One whose expression or zone
    /// was changed is due next by its new one; what was missed by the old is let go.
    pub(super) async fn reconcile(&self, state: &State, now: DateTime<Utc>) -> Result<()> {
        let rows: BTreeMap<String, ScheduleRow> =
            state.schedules().await?.into_iter().map(|row| (row.name.clone(), row)).collect();
        for (name, (schedule, timetable)) in &self.schedules {
            let next = timetable.next_after(now);
            let fits = rows.get(name).is_some_and(|row| {
                // A next fire later than the expression's comes from a clock that was wrong.
                let sane = row.next_fire_at.is_some_and(|stored| next.is_none_or(|next| stored <= next));
                row.cron == schedule.cron && row.timezone == schedule.timezone && sane
            });
            if !fits {
                state.put_schedule(&ScheduleName::new(name), &schedule.cron, &schedule.timezone, next).await?;
                info!(schedule = name, cron = schedule.cron, next = next.map(|t| t.to_rfc3339()), "scheduled");
            }
        }
        let names: Vec<String> = self.schedules.keys().cloned().collect();
        let forgotten = state.keep_schedules(&names).await?;
        if forgotten > 0 {
            info!(schedules = forgotten, "forgot schedules that the configuration no longer names");
        }
        Ok(())
    }

    /// Lets everything that is due happen; the runs that began. `running` are the schedules with a run
    /// under way; `is_quiet`: the source is to be left alone.
    pub(super) async fn fire_due(
        &self,
        state: &State,
        metrics: &Metrics,
        now: DateTime<Utc>,
        running: &BTreeSet<String>,
        is_quiet: bool,
    ) -> Result<Vec<Started>> {
        let mut started = Vec::new();
        for row in state.schedules().await? {
            let Some((schedule, timetable)) = self.schedules.get(&row.name) else { continue };
            let is_running = running.contains(&row.name);
            let name = ScheduleName::new(&row.name);
            let request = RunRequest { select: schedule.select.clone(), full: false, reconcile: schedule.reconcile };
            let new = |fire_at| NewRun {
                schedule: Some(name.clone()),
                fire_at: Some(fire_at),
                request: serde_json::to_value(&request).expect("a request is JSON"),
                at: now,
            };
            let mut run = None;
            if let Some(waited) = waited(&row, is_running) {
                run = state.fire_queued(&name, &new(waited)).await?;
            }
            let under_way = match is_running || run.is_some() {
                false => UnderWay::No,
                true if is_quiet => UnderWay::Waiting,
                true => UnderWay::Yes,
            };
            if let Some(decision) = decide(schedule, timetable, &row, now, under_way) {
                let fire = match decision.does {
                    Does::Run => Fire::Run(new(decision.due)),
                    Does::Queue => Fire::Queue,
                    Does::Join => Fire::Leave,
                    Does::Leave(why) => {
                        warn!(schedule = row.name, due = decision.due.to_rfc3339(), why, "a fire is left out");
                        metrics.fires_skipped.with_label_values(&[&row.name]).inc();
                        Fire::Leave
                    }
                };
                let fired = state.fire(&name, decision.due, decision.next, &fire).await?;
                if fired.is_some() {
                    let lag = (now - decision.due).to_std().unwrap_or_default();
                    metrics.schedule_lag.observe(lag.as_secs_f64());
                    run = fired;
                }
            }
            if let Some(run) = run {
                started.push(Started { run, schedule: row.name, request });
            }
        }
        Ok(started)
    }
}

/// When the fire was due that waited, and may happen now.
fn waited(row: &ScheduleRow, is_running: bool) -> Option<DateTime<Utc>> {
    row.queued_fire_at.filter(|_| !is_running && !row.paused)
}

/// Whether a run of a schedule is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnderWay {
    No,
    Yes,
    /// It is, and it is quiet: its tables wait.
    Waiting,
}

/// What is done about one schedule now; `None`: it is not due.
fn decide(
    schedule: &Schedule,
    timetable: &Timetable,
    row: &ScheduleRow,
    now: DateTime<Utc>,
    under_way: UnderWay,
) -> Option<Decision> {
    let due = row.next_fire_at.filter(|due| *due <= now)?;
    let missed = (now - due).num_seconds() > MISSED_SECONDS;
    let does = if row.paused {
        Does::Leave("the schedule is paused")
    } else if missed && schedule.catch_up == CatchUp::None {
        Does::Leave("it was missed, and is not caught up")
    } else if under_way == UnderWay::No {
        Does::Run
    } else if under_way == UnderWay::Waiting {
        Does::Join
    } else if schedule.overlap == Overlap::Queue {
        Does::Queue
    } else {
        Does::Leave("the last run is still under way")
    };
    Some(Decision { due, next: timetable.next_after(now), does })
}

/// Wakes whoever waits, each second.
pub(super) struct Ticker {
    scheduler: JobScheduler,
    tick: Arc<Notify>,
}

impl Ticker {
    pub(super) async fn start() -> Result<Self> {
        let failed = |e| Error::new(Kind::Internal, format!("starting the clock of the schedules: {e}"));
        let tick = Arc::new(Notify::new());
        let waker = Arc::clone(&tick);
        let job = Job::new_async("* * * * * *", move |_, _| {
            waker.notify_one();
            Box::pin(async {})
        })
        .map_err(failed)?;
        let scheduler = JobScheduler::new().await.map_err(failed)?;
        scheduler.add(job).await.map_err(failed)?;
        scheduler.start().await.map_err(failed)?;
        Ok(Self { scheduler, tick })
    }

    pub(super) async fn tick(&self) {
        self.tick.notified().await;
    }

    pub(super) async fn stop(mut self) {
        // It ends with the runtime in any case.
        let _ = self.scheduler.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn schedule(overlap: Overlap, catch_up: CatchUp) -> Schedule {
        Schedule {
            name: "hourly".to_owned(),
            cron: "0 * * * *".to_owned(),
            timezone: "UTC".to_owned(),
            select: vec!["*".to_owned()],
            overlap,
            catch_up,
            reconcile: false,
        }
    }

    fn row(schedule: &Schedule, next_fire: &str) -> ScheduleRow {
        ScheduleRow {
            name: schedule.name.clone(),
            cron: schedule.cron.clone(),
            timezone: schedule.timezone.clone(),
            next_fire_at: Some(at(next_fire)),
            last_fire_at: None,
            queued_fire_at: None,
            paused: false,
        }
    }

    fn decided(schedule: &Schedule, next_fire: &str, now: &str, is_running: bool) -> Option<Decision> {
        let row = row(schedule, next_fire);
        let timetable = Timetable::new(schedule).expect("a good expression");
        decide(schedule, &timetable, &row, at(now), if is_running { UnderWay::Yes } else { UnderWay::No })
    }

    #[test]
    fn nothing_happens_before_its_time() {
        let schedule = schedule(Overlap::Skip, CatchUp::Once);
        assert_eq!(decided(&schedule, "2026-06-01T10:00:00Z", "2026-06-01T09:59:59Z", false), None);
    }

    #[test]
    fn what_is_due_runs_and_the_next_is_in_the_future() {
        let schedule = schedule(Overlap::Skip, CatchUp::None);
        let decision = decided(&schedule, "2026-06-01T10:00:00Z", "2026-06-01T10:00:01Z", false).expect("due");
        assert_eq!(decision.does, Does::Run);
        assert_eq!(decision.next, Some(at("2026-06-01T11:00:00Z")));
    }

    #[test]
    fn many_missed_fires_are_caught_up_by_one_run() {
        let schedule = schedule(Overlap::Skip, CatchUp::Once);
        let decision = decided(&schedule, "2026-06-01T10:00:00Z", "2026-06-03T15:20:00Z", false).expect("due");
        assert_eq!(decision.does, Does::Run);
        assert_eq!(decision.next, Some(at("2026-06-03T16:00:00Z")));
    }

    #[test]
    fn missed_fires_are_let_go_where_so_configured() {
        let schedule = schedule(Overlap::Skip, CatchUp::None);
        let decision = decided(&schedule, "2026-06-01T10:00:00Z", "2026-06-01T15:20:00Z", false).expect("due");
        assert!(matches!(decision.does, Does::Leave(_)));
        assert_eq!(decision.next, Some(at("2026-06-01T16:00:00Z")));
    }

    #[test]
    fn a_fire_during_a_run_is_left_out_or_waits() {
        let (due, now) = ("2026-06-01T10:00:00Z", "2026-06-01T10:00:00Z");
        let skips = decided(&schedule(Overlap::Skip, CatchUp::Once), due, now, true).expect("due");
        assert!(matches!(skips.does, Does::Leave(_)));
        let queues = decided(&schedule(Overlap::Queue, CatchUp::Once), due, now, true).expect("due");
        assert_eq!(queues.does, Does::Queue);
    }

    #[test]
    fn a_fire_during_a_run_that_waits_for_the_end_of_quiet_hours_is_part_of_it() {
        for overlap in [Overlap::Skip, Overlap::Queue] {
            let schedule = schedule(overlap, CatchUp::Once);
            let timetable = Timetable::new(&schedule).expect("a good expression");
            let (row, now) = (row(&schedule, "2026-06-01T10:00:00Z"), at("2026-06-01T10:00:00Z"));
            let decision = decide(&schedule, &timetable, &row, now, UnderWay::Waiting).expect("due");
            assert_eq!((decision.does, decision.next), (Does::Join, Some(at("2026-06-01T11:00:00Z"))));
        }
    }

    #[test]
    fn a_paused_schedule_lets_its_fires_go_and_keeps_the_one_that_waits() {
        let schedule = schedule(Overlap::Queue, CatchUp::Once);
        let (due, earlier) = ("2026-06-01T10:00:00Z", at("2026-06-01T09:00:00Z"));
        let mut row = ScheduleRow { queued_fire_at: Some(earlier), ..row(&schedule, due) };
        assert_eq!((waited(&row, true), waited(&row, false)), (None, Some(earlier)));
        row.paused = true;
        assert_eq!(waited(&row, false), None);
        let timetable = Timetable::new(&schedule).expect("a good expression");
        let decision = decide(&schedule, &timetable, &row, at(due), UnderWay::No).expect("due");
        assert!(matches!(decision.does, Does::Leave(_)));
    }
}
