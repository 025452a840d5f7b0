//! How fast a dbt project is read, built and tested, beside dbt-core on the same project and server.
//!
//! `benches/models/generate` writes the projects. Both tools work on the server that is started here, each in a
//! database of its own, with four threads. What they built and what their tests said must be equal, or nothing is
//! reported: a fast wrong answer is none. `AMALGAM_DBT` names dbt's program; without it an environment is made below
//! `target/`, and without Python that part says so and only our own times are told. `AMALGAM_BENCH_ROUNDS` (2) is how
//! often it is all done.

mod bars;
mod dbt;
mod ground;
mod verdicts;

use super::{
    Result,
    measure::{Measured, measured, measured_into},
    setting,
};
use bars::Figures;
use ground::{Ground, Project, Tool};

/// A build with nothing to do is so short that it is done so often; the one in the middle counts.
const AGAIN: usize = 5;

/// One kind of work: our time, and theirs where there is somebody to compare with.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    ours: Measured,
    theirs: Option<Measured>,
}

/// What one round took.
pub(super) struct Round {
    parse: Pair,
    /// After one file was edited, with what the parse before has left.
    parse_again: Pair,
    build: Pair,
    test: Pair,
    /// A build after which nothing changed.
    again: Measured,
    large_test: Pair,
}

/// Measures it all, prints it, and writes `docs/benchmarks-models.md`.
pub(super) fn measured_all() -> Result<()> {
    let rounds: usize = setting("AMALGAM_BENCH_ROUNDS", "2").parse()?;
    let dbt = dbt::found()?;
    let ground = Ground::start(dbt)?;
    let (small, large) = (ground.project("small")?, ground.project("large")?);
    let mut figures = Figures { rounds: Vec::new(), tests: 0, large_tests: 0, dbt: ground.dbt_version()? };
    for number in 1..=rounds {
        ground.fresh_databases()?;
        let parse = ground.both(|tool| {
            ground.forget(&small, tool)?;
            measured(&mut ground.command(tool, &small, &["parse"], &["--no-partial-parse"])?)
        })?;
        let build = ground.both(|tool| measured(&mut ground.command(tool, &small, &["build"], &[])?))?;
        ground.same_rows()?;
        let again = || measured(&mut ground.command(Tool::Ours, &small, &["build"], &[])?);
        let mut again = (0..AGAIN).map(|_| again()).collect::<Result<Vec<_>>>()?;
        again.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let again = again[AGAIN / 2];
        let (test, tests) = tested(&ground, &small)?;
        let parse_again = ground.both(|tool| {
            ground.edit(&small, tool)?;
            measured(&mut ground.command(tool, &small, &["parse"], &[])?)
        })?;
        ground.fresh_databases()?;
        ground.both(|tool| measured(&mut ground.command(tool, &large, &["run"], &[])?))?;
        let (large_test, large_tests) = tested(&ground, &large)?;
        println!(
            "round {number}: parse {parse}, again {parse_again}, build {build}, nothing to do {again}, test {test}, large test {large_test}"
        );
        (figures.tests, figures.large_tests) = (tests, large_tests);
        figures.rounds.push(Round { parse, parse_again, build, test, again, large_test });
    }
    figures.written()
}

/// Runs all tests of a project by both, and refuses verdicts that differ; how many there are beside the times.
fn tested(ground: &Ground, project: &Project) -> Result<(Pair, usize)> {
    let printed = ground.folder().join("verdicts.json");
    let pair = ground.both(|tool| {
        let command = &mut ground.command(tool, project, &["test"], &[])?;
        match tool {
            Tool::Ours => measured_into(command, &printed),
            Tool::Dbt => measured(command),
        }
    })?;
    let ours = verdicts::ours(&printed)?;
    if pair.theirs.is_some() {
        verdicts::compare(&ours, &verdicts::theirs(&ground.target(project, Tool::Dbt))?)?;
    }
    Ok((pair, ours.len()))
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.theirs {
            None => write!(f, "{}", self.ours),
            Some(theirs) => {
                write!(f, "{} against {theirs}: {:.1} times", self.ours, theirs.seconds / self.ours.seconds)
            }
        }
    }
}
