//! The page of figures, and the bars they are held to.

use super::{Result, day::Done, measure::Measured, peer::Compared, places::ROOT, wide::Wide, writer::Wait};
use std::{path::Path, process::Command};

/// Only figures at this scale become the page.
pub(super) const FULL_SCALE: &str = "1.0";

const LOAD_RATIO_MAX: f64 = 1.4;
const UNCHANGED_SECONDS_MAX: f64 = 0.5;
const DAY_SECONDS_MAX: f64 = 5.0;
const VERIFY_RATIO_MAX: f64 = 2.0;
const PEER_RATIO_MIN: f64 = 10.0;
const WAIT_MILLISECONDS_MAX: u128 = 250;
const PEAK_MEBIBYTES_MAX: f64 = 200.0;
/// Told where the peer's program was not given.
const NO_PEER: &str = "`paysplit` and `procedurelog` against sling: not measured.";

/// One round.
pub(super) struct Round {
    pub floor: Measured,
    pub load: Measured,
    pub unchanged: Measured,
    /// Rows that the source read of its tables then.
    pub unchanged_rows: u64,
    pub verify: Measured,
    pub day: Measured,
    pub day_verify: Measured,
    /// What was done that day.
    pub work: Done,
    /// `None`: nobody to be compared with.
    pub peer: Option<Compared>,
}

/// All that was measured.
pub(super) struct Figures {
    pub extent: String,
    pub rounds: Vec<Round>,
    pub daemon: Option<Measured>,
    pub wait: Option<Wait>,
    pub wide: Option<Wide>,
}

impl Figures {
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// The median over what the rounds had a peer for; `None` where there was none.
    fn median_of_peers(&self, of: impl Fn(&Compared) -> f64) -> Option<f64> {
        let all: Vec<f64> = self.peers().map(of).collect();
        (!all.is_empty()).then(|| median(all))
    }

    fn peers(&self) -> impl Iterator<Item = &Compared> {
        self.rounds.iter().filter_map(|r| r.peer.as_ref())
    }

    fn line(&self, work: &str, bar: &str, of: impl Fn(&Round) -> Measured) -> String {
        format!(
            "| {work} | {:.2} | {:.3} | {:.0} | {bar} |\n",
            self.median(|r| of(r).seconds),
            self.median(|r| of(r).seconds / r.floor.seconds),
            self.median(|r| of(r).peak_mebibytes),
        )
    }

    fn page(&self, scale: &str) -> String {
        let mut page = format!(
            "# How fast, on one machine\n\n\
             Written by `make bench`. The floor (`benches/floor`) is the least that copying a MariaDB database into \
             PostgreSQL can cost: no keys, no watermarks, no checks. All of it runs on one machine, both servers \
             included, one after another in each round; medians of {} round(s). Machines differ: compare the ratios.\n\n\
             {}\n\n\
             | work at scale {scale}: {} | seconds | ratio to the floor | peak memory of the program (MiB) | bar |\n|---|---|---|---|---|\n",
            self.rounds.len(),
            machine(),
            self.extent,
        );
        page += &self.line("floor", "", |r| r.floor);
        page += &self.line("first load, keys and cursor indexes built", "1.4 times the floor", |r| r.load);
        let rows = self.rounds.iter().map(|r| r.unchanged_rows).max().unwrap_or_default();
        let unchanged = format!("sync with nothing changed ({rows} rows read of the source's tables)");
        page += &self.line(&unchanged, "0.5 s, no row", |r| r.unchanged);
        page += &self.line("full verify", "2 times the first load", |r| r.verify);
        let work = self.rounds.last().map(|r| r.work).unwrap_or_default();
        let day =
            format!("a day: {} inserts, {} edits, {} deletes over 40 tables", work.new, work.edited, work.deleted);
        page += &self.line(&day, "5 s", |r| r.day);
        if let Some(daemon) = self.daemon {
            page += &format!(
                "| the daemon's first load, from its start, one round | {:.2} | | {:.0} | |\n",
                daemon.seconds, daemon.peak_mebibytes
            );
        }
        page += "\nThe day's edits are made in tables that are kept in step by stamp; in logs, a plain sync looks for none. Its deletes \
                 are of the lowest keys.\n";
        page += &match (self.peers().last(), self.median_of_peers(|p| p.theirs.seconds / p.ours.seconds)) {
            (Some(Compared { version, .. }), Some(times)) => format!(
                "\n`paysplit` and `procedurelog` alone: {:.2} s; sling {version} ({:.0} MiB) takes {:.2} s, {times:.1} times as long. \
                 The floor, without a key or an index, takes {:.2} s: sling takes {:.1} times as long as that.\n",
                self.median_of_peers(|p| p.ours.seconds).unwrap_or_default(),
                self.median_of_peers(|p| p.theirs.peak_mebibytes).unwrap_or_default(),
                self.median_of_peers(|p| p.theirs.seconds).unwrap_or_default(),
                self.median_of_peers(|p| p.floor.seconds).unwrap_or_default(),
                self.median_of_peers(|p| p.theirs.seconds / p.floor.seconds).unwrap_or_default(),
            ),
            _ => format!("\n{NO_PEER}\n"),
        };
        if let Some(wait) = self.wait {
            page += &format!(
                "\nWhile a MyISAM table of five million rows is loaded, one connection edits and adds rows ({} writes): \
                 the longest waits {} ms, {} ms with nobody loading.\n",
                wait.writes,
                wait.loading.as_millis(),
                wait.idle.as_millis()
            );
        }
        if let Some(wide) = self.wide {
            page += &format!(
                "\nA table of 500 columns is loaded and compared with {:.0} MiB at most; one of rows of 64 MiB with {:.0} MiB.\n",
                wide.columns.peak_mebibytes, wide.rows.peak_mebibytes
            );
        }
        page
    }

    /// What is not as it should be.
    fn bars_not_held(&self) -> Vec<&'static str> {
        let peaks = |r: &Round| [r.floor, r.load, r.unchanged, r.verify, r.day, r.day_verify];
        let peak = self
            .rounds
            .iter()
            .flat_map(peaks)
            .chain(self.daemon)
            .chain(self.wide.map(|w| w.columns))
            .chain(self.wait.map(|wait| wait.program))
            .chain(self.peers().map(|peer| peer.ours))
            .map(|m| m.peak_mebibytes)
            .fold(0.0, f64::max);
        [
            (self.median(|r| r.load.seconds / r.floor.seconds) <= LOAD_RATIO_MAX, "the first load against the floor"),
            (self.median(|r| r.unchanged.seconds) < UNCHANGED_SECONDS_MAX, "a sync with nothing changed"),
            (self.median(|r| r.verify.seconds / r.load.seconds) <= VERIFY_RATIO_MAX, "verify against the first load"),
            (self.rounds.iter().all(|r| r.unchanged_rows == 0), "no row read where nothing has changed"),
            (self.median(|r| r.day.seconds) < DAY_SECONDS_MAX, "a day"),
            (self.rounds.iter().all(|r| r.work.is_whole()), "the rows of a day"),
            (
                self.median_of_peers(|p| p.theirs.seconds / p.ours.seconds).is_none_or(|times| times >= PEER_RATIO_MIN),
                "the peer",
            ),
            (self.wait.is_none_or(|w| w.loading.as_millis() < WAIT_MILLISECONDS_MAX), "the wait of a writer"),
            (peak < PEAK_MEBIBYTES_MAX, "peak memory"),
        ]
        .into_iter()
        .filter_map(|(held, bar)| (!held).then_some(bar))
        .collect()
    }
}

pub(super) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
}

/// Prints the figures, writes them into `docs/benchmarks.md`, and fails where a bar is not held.
pub(super) fn write(figures: &Figures, scale: &str) -> Result<()> {
    let page = figures.page(scale);
    println!("\n{page}");
    if scale == FULL_SCALE {
        std::fs::write(Path::new(ROOT).join("docs/benchmarks.md"), page)?;
    }
    if figures.peers().next().is_none() {
        println!("a bar that nobody knows to be held: the peer ({NO_PEER})");
    }
    match figures.bars_not_held().as_slice() {
        [] => Ok(()),
        bars => Err(format!("bars that are not held: {}", bars.join(", ")).into()),
    }
}

/// What it ran on, as far as the kernel and the programs tell.
pub(super) fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines().find(|l| l.starts_with(name)).and_then(|l| l.split(':').nth(1)).map_or("?", str::trim).to_owned()
    };
    let version = |program: &str, flag: &str| {
        let said =
            Command::new(program).arg(flag).output().map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        said.unwrap_or_else(|_| "?".to_owned())
    };
    format!(
        "Machine: {} ({} cores), memory {}. {}; {}; Amalgam {}, {}.",
        field(&read("/proc/cpuinfo"), "model name"),
        std::thread::available_parallelism().map_or(0, usize::from),
        field(&read("/proc/meminfo"), "MemTotal"),
        version("mariadbd", "--version").replace("  ", " "),
        version("psql", "--version"),
        env!("CARGO_PKG_VERSION"),
        version("rustc", "--version"),
    )
}
