//! What Amalgam costs: how fast a sync is, as ratios in one run on one machine, what the daemon takes, and how fast
//! models are built beside dbt-core.
//!
//! The floor (`benches/floor`) is the least that copying a MariaDB database into PostgreSQL can cost
//! here: no keys, no watermarks, no checks. Both copy the same source of 446 tables, in turn, between the
//! same private servers. Then a day's work is done at the source and found, a peer copies what we copy,
//! somebody writes to a table while it is loaded, and rows come that are wider than any practice's.
//! `AMALGAM_BENCH_SCALE` (1.0: 20.5 million rows), `AMALGAM_BENCH_ROUNDS` (2) and `SLING` (the peer's
//! program; without it that line says so) are read from the environment, and so is what [`models`] needs. `sync`, `daemon`
//! or `models` as an argument asks for one part alone.

mod daemon;
mod day;
mod measure;
mod models;
mod peer;
mod places;
mod report;
mod wide;
mod writer;

use measure::measured;
use places::Places;
use report::{Figures, Round};

/// What can be asked for.
const PARTS: [&str; 3] = ["sync", "daemon", "models"];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = asked.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("{unknown} is no part of the bench; the parts are {}", PARTS.join(", ")).into());
    }
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);
    let moved = if is_asked("sync") || is_asked("daemon") { moved(is_asked) } else { Ok(()) };
    let built = if is_asked("models") { models::measured_all() } else { Ok(()) };
    moved.and(built)
}

/// What needs a source.
fn moved(is_asked: impl Fn(&str) -> bool) -> Result<()> {
    let scale = setting("AMALGAM_BENCH_SCALE", report::FULL_SCALE);
    let places = Places::start(&scale)?;
    let daemon = is_asked("daemon").then(|| daemon::measured(&places)).transpose()?;
    let synced = if is_asked("sync") { synced(&places, &scale) } else { Ok(()) };
    match daemon {
        Some(daemon) => daemon.written(&scale).and(synced),
        None => synced,
    }
}

fn synced(places: &Places, scale: &str) -> Result<()> {
    let rounds: usize = setting("AMALGAM_BENCH_ROUNDS", "2").parse()?;
    let floor_program = places::build_floor()?;
    let mut figures = Figures { extent: String::new(), rounds: Vec::new(), daemon: None, wait: None, wide: None };
    for number in 1..=rounds {
        places.fresh_database()?;
        let floor = measured(&mut places.floor(&floor_program, places::PRACTICE))?;
        places.fresh_database()?;
        let load = measured(places.amalgam().arg("sync"))?;
        let (unchanged, unchanged_rows) = places.rows_read_during(|| measured(places.amalgam().arg("sync")))?;
        let verify = measured(places.amalgam().arg("verify"))?;
        figures.extent = places.extent()?;
        let (tables, work) = day::happens(places)?;
        let day = measured(places.amalgam().arg("sync"))?;
        let day_verify = measured(places.amalgam().arg("verify").args(&tables))?;
        println!(
            "round {number}: floor {floor}, first load {load}, unchanged {unchanged} with {unchanged_rows} rows read, \
             verify {verify}, day {day} of {work:?}"
        );
        let peer = peer::compared(places, &floor_program)?;
        figures.rounds.push(Round { floor, load, unchanged, unchanged_rows, verify, day, day_verify, work, peer });
    }
    figures.wait = Some(writer::longest_wait(places)?);
    figures.wide = Some(wide::loaded(places)?);
    places.fresh_database()?;
    figures.daemon = Some(places.daemon_until_loaded()?);
    report::write(&figures, scale)
}

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
