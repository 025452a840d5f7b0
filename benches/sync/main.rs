//! How fast a sync is, as ratios in one run on one machine.
//!
//! The floor (`benches/floor`) is the least that copying a MariaDB database into PostgreSQL can cost
//! here: no keys, no watermarks, no checks. Both copy the same source of 446 tables, in turn, between the
//! same private servers. Then a day's work is done at the source and found, a peer copies what we copy,
//! somebody writes to a table while it is loaded, and rows come that are wider than any practice's.
//! `AMALGAM_BENCH_SCALE` (1.0: 20.5 million rows), `AMALGAM_BENCH_ROUNDS` (2) and `SLING` (the peer's
//! program; without it that line says so) are read from the environment.

mod day;
mod measure;
mod peer;
mod places;
mod report;
mod wide;
mod writer;

use measure::measured;
use places::Places;
use report::{Figures, Round};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let scale = setting("AMALGAM_BENCH_SCALE", report::FULL_SCALE);
    let rounds: usize = setting("AMALGAM_BENCH_ROUNDS", "2").parse()?;
    let floor = places::build_floor()?;
    let places = Places::start(&scale)?;
    let mut figures = Figures { extent: String::new(), rounds: Vec::new(), daemon: None, wait: None, wide: None };
    for number in 1..=rounds {
        places.fresh_database()?;
        let floor = measured(&mut places.floor(&floor))?;
        places.fresh_database()?;
        let load = measured(places.amalgam().arg("sync"))?;
        let (unchanged, unchanged_rows) = places.rows_read_during(|| measured(places.amalgam().arg("sync")))?;
        let verify = measured(places.amalgam().arg("verify"))?;
        figures.extent = places.extent()?;
        let (tables, work) = day::happens(&places)?;
        let day = measured(places.amalgam().arg("sync"))?;
        let day_verify = measured(places.amalgam().arg("verify").args(&tables))?;
        println!(
            "round {number}: floor {floor}, first load {load}, unchanged {unchanged} with {unchanged_rows} rows read, \
             verify {verify}, day {day} of {work:?}"
        );
        let peer = peer::compared(&places)?;
        figures.rounds.push(Round { floor, load, unchanged, unchanged_rows, verify, day, day_verify, work, peer });
    }
    figures.wait = Some(writer::longest_wait(&places)?);
    figures.wide = Some(wide::loaded(&places)?);
    places.fresh_database()?;
    figures.daemon = Some(places.daemon_until_loaded()?);
    report::write(&figures, &scale)
}

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
