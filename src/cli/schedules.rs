//! `amalgam schedules`: what is due when; pauses one, lets it go on, or asks for a run of it now.

use super::{Context, Outcome, output};
use crate::{
    config::Schedule,
    domain::ScheduleName,
    error::{Error, Kind},
    orchestrator::Timetable,
    state::ScheduleRow,
};
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Serialize;

/// How many fires are told of each schedule.
const FIRES: usize = 5;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the schedules with their next five fires, in their own zone and in UTC; this is the default
    List,
    /// Let no fire of a schedule happen until it goes on
    Pause {
        /// Its name
        name: String,
    },
    /// Let a paused schedule go on
    Resume {
        /// Its name
        name: String,
    },
    /// Ask the daemon for a run of a schedule now, or when the run under way has ended
    Fire {
        /// Its name
        name: String,
    },
}

#[derive(Serialize)]
struct Listed {
    schedule: String,
    /// What starts it, in words.
    starts: String,
    timezone: String,
    paused: bool,
    last_fire_at: Option<DateTime<Utc>>,
    /// What asked for the fire that waits.
    waits: Option<String>,
    next: Vec<NextFire>,
}

#[derive(Serialize)]
struct NextFire {
    local: String,
    utc: String,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    match args.command.unwrap_or(Command::List) {
        Command::List => list(&context).await,
        Command::Pause { name } => set_paused(&context, &name, true).await,
        Command::Resume { name } => set_paused(&context, &name, false).await,
        Command::Fire { name } => fire(&context, &name).await,
    }
}

async fn list(context: &Context) -> anyhow::Result<Outcome> {
    let (config, state, now) = (context.config()?, context.state()?, context.clock().now());
    let rows = if state.is_migrated().await? { state.schedules().await? } else { Vec::new() };
    let listed = config
        .schedule
        .iter()
        .map(|schedule| Ok(Listed::new(schedule, rows.iter().find(|row| row.name == schedule.name), now)?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    match context.format() {
        output::Format::Json => context.print_rows(&listed)?,
        output::Format::Table => context.print_rows(&listed.iter().flat_map(Listed::lines).collect::<Vec<_>>())?,
    }
    Ok(Outcome::Done)
}

async fn set_paused(context: &Context, name: &str, paused: bool) -> anyhow::Result<Outcome> {
    let schedule = known(context, name).await?;
    if !context.state()?.pause(&schedule, paused).await? {
        return Err(unseen(name).into());
    }
    output::write(&format!("{name} {}\n", if paused { "is paused" } else { "goes on" }))?;
    Ok(Outcome::Done)
}

async fn fire(context: &Context, name: &str) -> anyhow::Result<Outcome> {
    let (schedule, state) = (known(context, name).await?, context.state()?);
    if state.schedules().await?.iter().any(|row| row.name == name && row.paused) {
        return Err(Error::new(Kind::Paused, format!("schedule {name} is paused")).into());
    }
    if !state.ask(&schedule, "hand", context.clock().now()).await? {
        return Err(unseen(name).into());
    }
    output::write(&format!("{name} runs as soon as no run of it is under way; `amalgam history` tells\n"))?;
    Ok(Outcome::Done)
}

/// The name of a schedule that the configuration has, where the control plane is there.
async fn known(context: &Context, name: &str) -> anyhow::Result<ScheduleName> {
    let config = context.config()?;
    if config.schedule.iter().all(|schedule| schedule.name != name) {
        let names: Vec<&str> = config.schedule.iter().map(|s| s.name.as_str()).collect();
        let text = format!("there is no schedule {name}; the configuration has {}", output::named(&names));
        return Err(Error::new(Kind::UnknownSchedule, text).into());
    }
    context.state()?.migrate().await?;
    Ok(ScheduleName::new(name))
}

fn unseen(name: &str) -> Error {
    Error::new(Kind::UnknownSchedule, format!("no daemon has taken up schedule {name} yet"))
}

impl Listed {
    fn new(schedule: &Schedule, row: Option<&ScheduleRow>, now: DateTime<Utc>) -> crate::error::Result<Self> {
        let mut next = Vec::new();
        if !schedule.cron.is_empty() {
            let (timetable, zone) = (Timetable::new(schedule)?, schedule.timezone.parse().unwrap_or(Tz::UTC));
            let mut moment = now;
            while let Some(fire) = timetable.next_after(moment).filter(|_| next.len() < FIRES) {
                next.push(NextFire {
                    local: fire.with_timezone(&zone).format("%a %Y-%m-%d %H:%M:%S %Z").to_string(),
                    utc: fire.to_rfc3339_opts(SecondsFormat::Secs, true),
                });
                moment = fire;
            }
        }
        Ok(Self {
            schedule: schedule.name.clone(),
            starts: starts(schedule),
            timezone: schedule.timezone.clone(),
            paused: row.is_some_and(|row| row.paused),
            last_fire_at: row.and_then(|row| row.last_fire_at),
            waits: row
                .filter(|row| row.queued_fire_at.is_some())
                .map(|row| row.queued_by.clone().unwrap_or_else(|| "its time".to_owned())),
            next,
        })
    }

    /// For a person: a line for each fire, or one where only events start it.
    fn lines(&self) -> Vec<serde_json::Value> {
        let line = |first: bool, fire: Option<&NextFire>| {
            let of_first = |text: &str| if first { text.to_owned() } else { String::new() };
            serde_json::json!({
                "schedule": of_first(&self.schedule),
                "starts": of_first(&self.starts),
                "state": of_first(if self.paused { "paused" } else if self.waits.is_some() { "waits" } else { "on" }),
                "next": fire.map_or("", |f| f.local.as_str()),
                "utc": fire.map_or("", |f| f.utc.as_str()),
            })
        };
        match &self.next[..] {
            [] => vec![line(true, None)],
            fires => fires.iter().enumerate().map(|(at, fire)| line(at == 0, Some(fire))).collect(),
        }
    }
}

/// What starts a schedule, in words.
fn starts(schedule: &Schedule) -> String {
    let mut told = Vec::new();
    if !schedule.cron.is_empty() {
        told.push(schedule.cron.clone());
    }
    if !schedule.after.is_empty() {
        told.push(format!("after {}", schedule.after.join(", ")));
    }
    if let Some(file) = &schedule.file {
        told.push(format!("file {}", file.display()));
    }
    if schedule.on_change {
        told.push("a change at the source".to_owned());
    }
    told.join("; ")
}
