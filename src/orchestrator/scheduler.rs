//! What is due now.
//!
//! It is looked at each second. What is due comes from the persisted time of the next fire, so that nothing is
//! forgotten over a restart, and from [`super::cron`], so that zones and their changes are right. Guarantee: each
//! fire happens once, whoever notices it.

use super::{RunRequest, cron::Timetable, executor::BegunRun};
use crate::{
    config::{CatchUp, Config, Overlap, Schedule},
    domain::ScheduleName,
    error::Result,
    state::{Fire, NewRun, ScheduleRow, State},
    telemetry::Metrics,
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{info, warn};

/// A fire noticed later than this was missed, and the catch-up rule decides.
const MISSED_SECONDS: i64 = 60;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// The schedules of the configuration.
pub(super) struct Scheduler {
    /// Each with its timetable, if its expression is not empty.
    schedules: BTreeMap<String, (Schedule, Option<Timetable>)>,
}

/// What is done about a schedule that is due.
#[derive(Debug, PartialEq, Eq)]
struct Decision {
    due: DateTime<Utc>,
    /// The fire that stands for all that are due.
    counts: DateTime<Utc>,
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
        let timetable = |s: &Schedule| (!s.cron.is_empty()).then(|| Timetable::new(s)).transpose();
        let read = |s: &Schedule| Ok((s.name.clone(), (s.clone(), timetable(s)?)));
        Ok(Self { schedules: config.schedule.iter().map(read).collect::<Result<_>>()? })
    }

    /// Makes the control plane's schedules those of the configuration. One whose expression or zone
    /// was changed is due next by its new one; what was missed by the old is let go.
    pub(super) async fn reconcile(&self, state: &State, now: DateTime<Utc>) -> Result<()> {
        let rows: BTreeMap<String, ScheduleRow> =
            state.schedules().await?.into_iter().map(|row| (row.name.clone(), row)).collect();
        for (name, (schedule, timetable)) in &self.schedules {
            let next = timetable.as_ref().and_then(|t| t.next_after(now));
            let fits = rows.get(name).is_some_and(|row| {
                // A next fire later than the expression's comes from a clock that was wrong.
                let sane = match row.next_fire_at {
                    Some(stored) => next.is_none_or(|next| stored <= next),
                    None => next.is_none(),
                };
                let (cron, timezone) = (row.cron == schedule.cron, row.timezone == schedule.timezone);
                cron && timezone && row.after == schedule.after && sane
            });
            if !fits {
                let Schedule { cron, timezone, after, .. } = schedule;
                state.put_schedule(&ScheduleName::new(name), cron, timezone, after, next).await?;
                info!(schedule = name, cron, next = next.map(|t| t.to_rfc3339()), "scheduled");
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
    ) -> Result<Vec<BegunRun>> {
        let mut started = Vec::new();
        for row in state.schedules().await? {
            let Some((schedule, timetable)) = self.schedules.get(&row.name) else { continue };
            let is_running = running.contains(&row.name);
            let name = ScheduleName::new(&row.name);
            let request = RunRequest { select: schedule.select.clone(), full: false, reconcile: schedule.reconcile };
            let new = |fire_at, cause| NewRun {
                schedule: Some(name.clone()),
                fire_at: Some(fire_at),
                cause,
                request: serde_json::to_value(&request).expect("a request is JSON"),
                at: now,
            };
            let mut run = None;
            if let Some(waited) = waited(&row, is_running) {
                run = state.fire_queued(&name, &new(waited, row.queued_by.clone())).await?;
            }
            let under_way = match is_running || run.is_some() {
                false => UnderWay::No,
                true if is_quiet => UnderWay::Waiting,
                true => UnderWay::Yes,
            };
            // A clock that was put back makes fires due again; where it is right again, they must not stand for others.
            let late = row.next_fire_at.filter(|due| is_missed(*due, now));
            let has_run = match late {
                Some(due) => state.has_fired(&name, due).await?,
                None => false,
            };
            let decision = timetable.as_ref().and_then(|t| decide(schedule, t, &row, now, under_way, has_run));
            if let Some(decision) = decision {
                let fire = match decision.does {
                    Does::Run => Fire::Run(new(decision.counts, None)),
                    Does::Queue => Fire::Queue(decision.counts),
                    Does::Join => Fire::Leave,
                    Does::Leave(why) => {
                        warn!(schedule = row.name, due = decision.due.to_rfc3339(), why, "a fire is left out");
                        metrics.fires_skipped.with_label_values(&[&row.name]).inc();
                        Fire::Leave
                    }
                };
                let fired = state.fire(&name, decision.due, decision.next, &fire).await?;
                if fired.is_some() {
                    let lag = (now - decision.counts).to_std().unwrap_or_default();
                    metrics.schedule_lag.observe(lag.as_secs_f64());
                    run = fired;
                }
            }
            if let Some(run) = run {
                started.push(BegunRun::new(run, row.name, request));
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

fn is_missed(due: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - due).num_seconds() > MISSED_SECONDS
}

/// What is done about one schedule now; `None`: it is not due. `has_run`: the first fire that is due has happened.
///
/// Of several fires that are due, the first stands for all that are made up for. Where that one is over, or they are
/// to be let go, the last does: it may be due this very moment.
fn decide(
    schedule: &Schedule,
    timetable: &Timetable,
    row: &ScheduleRow,
    now: DateTime<Utc>,
    under_way: UnderWay,
    has_run: bool,
) -> Option<Decision> {
    let due = row.next_fire_at.filter(|due| *due <= now)?;
    let last = || timetable.last_before(now).map_or(due, |last| last.max(due));
    let counts = if has_run || schedule.catch_up == CatchUp::None { last() } else { due };
    let does = if row.paused {
        Does::Leave("the schedule is paused")
    } else if schedule.catch_up == CatchUp::None && is_missed(counts, now) {
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
    Some(Decision { due, counts, next: timetable.next_after(now), does })
}

/// Wakes whoever waits, each second, whatever becomes of the clock on the wall.
pub(super) struct Ticker(Interval);

impl Ticker {
    pub(super) fn start() -> Self {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(interval)
    }

    pub(super) async fn tick(&mut self) {
        self.0.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn schedule(overlap: Overlap, catch_up: CatchUp) -> Schedule {
        Schedule { name: "hourly".to_owned(), cron: "0 * * * *".to_owned(), overlap, catch_up, ..Schedule::default() }
    }

    fn row(schedule: &Schedule, next_fire: &str) -> ScheduleRow {
        ScheduleRow {
            name: schedule.name.clone(),
            cron: schedule.cron.clone(),
            timezone: schedule.timezone.clone(),
            after: Vec::new(),
            next_fire_at: Some(at(next_fire)),
            last_fire_at: None,
            queued_fire_at: None,
            queued_by: None,
            seen_file: None,
            seen_change: None,
            paused: false,
        }
    }

    fn decided(schedule: &Schedule, next_fire: &str, now: &str, is_running: bool) -> Option<Decision> {
        let row = row(schedule, next_fire);
        let timetable = Timetable::new(schedule).expect("a good expression");
        decide(schedule, &timetable, &row, at(now), if is_running { UnderWay::Yes } else { UnderWay::No }, false)
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
    fn what_is_due_this_moment_counts_where_those_before_it_are_let_go_or_over() {
        let (due, now) = ("2026-06-01T10:00:00Z", "2026-06-01T15:00:20Z");
        let decision = decided(&schedule(Overlap::Skip, CatchUp::None), due, now, false).expect("due");
        assert_eq!((decision.does, decision.counts), (Does::Run, at("2026-06-01T15:00:00Z")));
        for (has_run, counts) in [(false, "2026-06-01T10:00:00Z"), (true, "2026-06-01T15:00:00Z")] {
            let schedule = schedule(Overlap::Skip, CatchUp::Once);
            let timetable = Timetable::new(&schedule).expect("a good expression");
            let decision = decide(&schedule, &timetable, &row(&schedule, due), at(now), UnderWay::No, has_run);
            let decision = decision.expect("due");
            assert_eq!((decision.does, decision.due, decision.counts), (Does::Run, at(due), at(counts)));
        }
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
            let decision = decide(&schedule, &timetable, &row, now, UnderWay::Waiting, false).expect("due");
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
        let decision = decide(&schedule, &timetable, &row, at(due), UnderWay::No, false).expect("due");
        assert!(matches!(decision.does, Does::Leave(_)));
    }
}
