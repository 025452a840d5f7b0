//! How fast a sync is, as a ratio to the floor, in one run on one machine.
//!
//! The floor (`benches/floor`) is the least that copying a MariaDB database into PostgreSQL can cost
//! here: no keys, no watermarks, no checks. Both copy the same source of 446 tables, in turn, between the
//! same private servers. `AMALGAM_BENCH_SCALE` (1.0: 20.5 million rows) and `AMALGAM_BENCH_ROUNDS` (2).

use amalgam::demo::servers::{Kind, Options, Server};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Only figures at this scale become the page.
const FULL_SCALE: &str = "1.0";
/// The bars: `docs/benchmarks.md` says what was measured.
const LOAD_RATIO_MAX: f64 = 2.0;
const PEAK_MEBIBYTES_MAX: f64 = 200.0;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> Result<()> {
    let scale = setting("AMALGAM_BENCH_SCALE", FULL_SCALE);
    let rounds: usize = setting("AMALGAM_BENCH_ROUNDS", "2").parse()?;
    let folder = std::env::temp_dir().join(format!("amalgam-bench-{}", std::process::id()));
    let floor = build_floor()?;
    println!("starting servers");
    let start = |kind, name: &str, flags: &[&str]| {
        let flags = flags.iter().map(ToString::to_string).collect();
        Server::start(kind, &Options { flags, ..Options::throw_away(folder.join(name)) })
    };
    let source = start(Kind::MariaDb, "mariadb", &["--key-buffer-size=256M"])?;
    let warehouse = start(Kind::PostgreSql, "postgres", &["-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"])?;
    println!("making a source at scale {scale}");
    let socket = source.socket().display().to_string();
    run(Command::new("python3").arg(Path::new(ROOT).join("tests/opendental/make_source.py")).args([
        "--socket",
        &socket,
        "--database",
        "opendental",
        "--scale",
        &scale,
    ]))?;

    let places = Places { folder, source_port: source.port(), warehouse_port: warehouse.port() };
    let mut rows = Vec::new();
    for round in 1..=rounds {
        places.fresh_database()?;
        let least = measured(
            Command::new(&floor)
                .arg(format!("mysql://reader@127.0.0.1:{}/opendental", places.source_port))
                .arg(format!("postgresql://amalgam@127.0.0.1:{}/bench", places.warehouse_port))
                .args(["raw", "2"]),
        )?;
        places.fresh_database()?;
        let load = measured(places.amalgam().arg("sync"))?;
        let unchanged = measured(places.amalgam().arg("sync"))?;
        let verify = measured(places.amalgam().arg("verify"))?;
        println!("round {round}: floor {least}, first load {load}, unchanged {unchanged}, verify {verify}");
        rows.push([least, load, unchanged, verify]);
    }
    places.fresh_database()?;
    let daemon = places.daemon_until_loaded()?;
    println!("the daemon, from its start to the end of its first run: {daemon}");
    report(&rows, daemon, &scale, &places)
}

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

/// Builds the floor; cargo puts it beside its own manifest.
fn build_floor() -> Result<PathBuf> {
    let folder = Path::new(ROOT).join("benches/floor");
    let target = folder.join("target");
    println!("building the floor");
    run(Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--locked", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target))?;
    Ok(target.join("release/floor"))
}

struct Places {
    folder: PathBuf,
    source_port: u16,
    warehouse_port: u16,
}

impl Places {
    /// An empty warehouse, so that every round begins alike.
    fn fresh_database(&self) -> Result<()> {
        for sql in ["drop database if exists bench", "create database bench template template0", "checkpoint"] {
            let url = format!("postgresql://amalgam@127.0.0.1:{}/postgres", self.warehouse_port);
            run(Command::new("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-c", sql, &url]))?;
        }
        Ok(())
    }

    /// How much there is, counted in the warehouse.
    fn extent(&self) -> Result<String> {
        let url = format!("postgresql://amalgam@127.0.0.1:{}/bench", self.warehouse_port);
        let sql = "select format('%s tables, %s rows', count(*), sum(row_count)) from amalgam.table_state";
        let said = Command::new("psql").args(["-qAt", "-c", sql, &url]).output()?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// The daemon under a one-minute schedule, until its first run has ended.
    fn daemon_until_loaded(&self) -> Result<Measured> {
        let mut command = self.amalgam();
        command.args(["--set=http.listen=127.0.0.1:0", "--log-filter=error", "serve"]);
        let schedule = "[[schedule]]\nname = \"load\"\ncron = \"* * * * *\"\n";
        std::fs::write(self.folder.join("daemon.toml"), schedule)?;
        command.args(["--config", "daemon.toml"]);
        let url = format!("postgresql://amalgam@127.0.0.1:{}/bench", self.warehouse_port);
        let ended = "select count(*) from amalgam.run where state <> 'running'";
        let mut asked = Instant::now();
        measured_until(&mut command, &mut || {
            // Asked seldom: this is not what is measured.
            if asked.elapsed() < Duration::from_secs(1) {
                return false;
            }
            asked = Instant::now();
            let said = Command::new("psql").args(["-qAt", "-c", ended, &url]).output();
            said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim().parse::<u64>().is_ok_and(|n| n > 0))
        })
    }

    fn amalgam(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amalgam"));
        command.current_dir(&self.folder).env_clear().args([
            "--set=source.host=127.0.0.1",
            "--set=source.user=reader",
            "--set=warehouse.host=127.0.0.1",
            "--set=warehouse.user=amalgam",
            "--set=warehouse.database=bench",
        ]);
        command.arg(format!("--set=source.port={}", self.source_port));
        command.arg(format!("--set=warehouse.port={}", self.warehouse_port));
        command
    }
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&done.stderr)).into())
}

/// What one process took.
#[derive(Clone, Copy)]
struct Measured {
    seconds: f64,
    peak_mebibytes: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s ({:.0} MiB)", self.seconds, self.peak_mebibytes)
    }
}

/// Runs a program to its end; its highest resident size is the kernel's own (`VmHWM`, proc(5)).
fn measured(command: &mut Command) -> Result<Measured> {
    measured_until(command, &mut || false)
}

/// Likewise, but asks it to end (SIGTERM) as soon as it has done its work.
fn measured_until(command: &mut Command, done: &mut dyn FnMut() -> bool) -> Result<Measured> {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let (mut peak, mut told) = (0u64, false);
    loop {
        if let Ok(status) = std::fs::read_to_string(&status_file) {
            let high = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next());
            peak = peak.max(high.and_then(|n| n.parse().ok()).unwrap_or(0));
        }
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                return Err(format!("{command:?} failed").into());
            }
            let seconds = began.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a size in KiB is far below 2^52")]
            return Ok(Measured { seconds, peak_mebibytes: peak as f64 / 1024.0 });
        }
        if !told && done() {
            told = true;
            run(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]))?;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Prints the figures and writes them into `docs/benchmarks.md`.
fn report(rounds: &[[Measured; 4]], daemon: Measured, scale: &str, places: &Places) -> Result<()> {
    let median = |of: &dyn Fn(&[Measured; 4]) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
    };
    let works = ["floor", "first load, keys and cursor indexes built", "sync with nothing changed", "full verify"];
    let lines = works.into_iter().enumerate().map(|(at, work)| {
        format!(
            "| {work} | {:.2} | {:.3} | {:.0} |\n",
            median(&|r| r[at].seconds),
            median(&|r| r[at].seconds / r[0].seconds),
            median(&|r| r[at].peak_mebibytes),
        )
    });
    let page = format!(
        "# How fast, on one machine\n\n\
         Written by `make bench`. The floor (`benches/floor`) is the least that copying a MariaDB database into \
         PostgreSQL can cost: no keys, no watermarks, no checks. All of it runs on one machine, both servers \
         included, one after another in each round; medians of {} rounds. Machines differ: compare the ratios.\n\n\
         {}\n\n\
         | work at scale {scale}: {} | seconds | ratio to the floor | peak memory of the program (MiB) |\n|---|---|---|---|\n{}",
        rounds.len(),
        machine(),
        places.extent()?,
        lines.collect::<String>()
            + &format!(
                "| the daemon's first load, one round | {:.2} | | {:.0} |\n",
                daemon.seconds, daemon.peak_mebibytes
            ),
    );
    println!("\n{page}");
    if scale == FULL_SCALE {
        std::fs::write(Path::new(ROOT).join("docs/benchmarks.md"), page)?;
    }
    held(median(&|r| r[1].seconds / r[0].seconds) <= LOAD_RATIO_MAX, "the first load against the floor")?;
    let peak = rounds.iter().flatten().chain([&daemon]).map(|m| m.peak_mebibytes).fold(0.0, f64::max);
    held(peak < PEAK_MEBIBYTES_MAX, "peak memory")
}

fn held(bar: bool, of: &str) -> Result<()> {
    if bar { Ok(()) } else { Err(format!("the bar for {of} is not held").into()) }
}

/// What it ran on, as far as the kernel and the programs tell.
fn machine() -> String {
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
