//! What the daemon takes: from its start until it is ready, while nothing happens, for each task beside the
//! task's own work, and until it has stopped while it works.

use super::{
    Result,
    measure::run,
    places::{Places, ROOT},
    report::{FULL_SCALE, machine, median},
};
use amalgam::demo::servers::free_port;
use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const READY_SECONDS_MAX: f64 = 1.0;
const IDLE_PERCENT_MAX: f64 = 0.5;
const IDLE_MEBIBYTES_MAX: f64 = 60.0;
const OVERHEAD_MILLISECONDS_MAX: f64 = 1.0;
const STOP_SECONDS_MAX: f64 = 5.0;

const STARTS: usize = 5;
/// The models of a practice that is well advanced.
const MODELS: usize = 160;
/// The tasks of a run that no practice has.
const TASKS: usize = 10_000;
/// What comes with a start is over by then.
const SETTLES: Duration = Duration::from_secs(15);
const IDLES: Duration = Duration::from_secs(60);
/// How long the load that is stopped has been under way.
const LOADS: Duration = Duration::from_secs(5);
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Ticks of a process' time a second: 100 on every Linux (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

/// What was measured.
pub(super) struct Figures {
    ready_seconds: f64,
    idle_percent: f64,
    idle_mebibytes: f64,
    overhead_milliseconds: f64,
    work_milliseconds: f64,
    stop_seconds: f64,
    tables: String,
}

/// Measures it all; the practice is loaded for it.
pub(super) fn measured(places: &Places) -> Result<Figures> {
    let (stop_seconds, tables) = stopped_and_whole(places)?;
    println!("stopped within {stop_seconds:.2} s of a load that goes on; {tables}");
    let models = project(places, "advanced", MODELS, |n| match n {
        0 => "select count(*) as n from {{ source('raw', 'patient') }}".to_owned(),
        n => format!("select n + 1 as n from {{{{ ref('model_{:05}') }}}}", n / 4),
    })?;
    let flags = [format!("--set=models.project_dir={}", models.display())];
    run(places.amalgam().args(&flags).arg("run"))?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let daemon = Daemon::start(places, &flags)?;
        starts.push(daemon.ready_seconds);
        daemon.stop()?;
    }
    let ready_seconds = median(starts);
    println!("ready {ready_seconds:.3} s after its start");
    let daemon = Daemon::start(places, &flags)?;
    sleep(SETTLES);
    let before = daemon.processor_seconds()?;
    sleep(IDLES);
    let idle_percent = (daemon.processor_seconds()? - before) / IDLES.as_secs_f64() * 100.0;
    let idle_mebibytes = daemon.resident_mebibytes()?;
    daemon.stop()?;
    println!("idle: {idle_percent:.2} % of a core, {idle_mebibytes:.0} MiB");
    let (overhead_milliseconds, work_milliseconds) = overhead(places)?;
    println!("{overhead_milliseconds:.2} ms a task beside {work_milliseconds:.2} ms of work");
    Ok(Figures {
        ready_seconds,
        idle_percent,
        idle_mebibytes,
        overhead_milliseconds,
        work_milliseconds,
        stop_seconds,
        tables,
    })
}

impl Figures {
    /// Prints the figures, writes them into `docs/benchmarks-daemon.md`, and fails where a bar is not held.
    pub(super) fn written(&self, scale: &str) -> Result<()> {
        let page = format!(
            "# What the daemon takes, on one machine\n\n\
             Written by `make bench ARGS=daemon`. {}\n\n\
             | what, with {} and {MODELS} models | measured | bar |\n|---|---|---|\n\
             | from its start until `/readyz` says 200, median of {STARTS} | {:.3} s | {READY_SECONDS_MAX} s |\n\
             | processor time while nothing happens, over {} s | {:.2} % of a core | {IDLE_PERCENT_MAX} % |\n\
             | memory then (resident) | {:.0} MiB | {IDLE_MEBIBYTES_MAX} MiB |\n\
             | a run of {TASKS} models one after another: its time less the models' own work ({:.2} ms each) | {:.2} ms a task | {OVERHEAD_MILLISECONDS_MAX} ms |\n\
             | from SIGTERM to its end, {} s into the first load; the load was finished and compared afterwards | {:.2} s | {STOP_SECONDS_MAX} s |\n",
            machine(),
            self.tables,
            self.ready_seconds,
            IDLES.as_secs(),
            self.idle_percent,
            self.idle_mebibytes,
            self.work_milliseconds,
            self.overhead_milliseconds,
            LOADS.as_secs(),
            self.stop_seconds,
        );
        println!("\n{page}");
        if scale == FULL_SCALE {
            fs::write(Path::new(ROOT).join("docs/benchmarks-daemon.md"), page)?;
        }
        let bars = [
            (self.ready_seconds < READY_SECONDS_MAX, "the start"),
            (self.idle_percent < IDLE_PERCENT_MAX, "processor time while idle"),
            (self.idle_mebibytes < IDLE_MEBIBYTES_MAX, "memory while idle"),
            (self.overhead_milliseconds < OVERHEAD_MILLISECONDS_MAX, "what a task costs beside its work"),
            (self.stop_seconds < STOP_SECONDS_MAX, "the stop"),
        ];
        match bars.into_iter().filter_map(|(held, bar)| (!held).then_some(bar)).collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            bars => Err(format!("bars that are not held: {}", bars.join(", ")).into()),
        }
    }
}

/// Stops the daemon while it loads; its seconds, and how much there was in the end.
fn stopped_and_whole(places: &Places) -> Result<(f64, String)> {
    places.fresh_database()?;
    let daemon = Daemon::start(places, &[])?;
    daemon.fire(places)?;
    until("the load begins", || Ok(places.warehouse("select exists (select from amalgam.load)")?.trim() == "t"))?;
    sleep(LOADS);
    let seconds = daemon.stop()?;
    let runs = places.warehouse("select string_agg(state, ' ') from amalgam.run")?;
    if runs.trim() != "running" {
        return Err(format!("the load was over before it was stopped: {runs}").into());
    }
    run(places.amalgam().arg("sync"))?;
    // It fails where one row differs.
    run(places.amalgam().arg("verify"))?;
    Ok((seconds, places.extent()?))
}

/// What a task costs beside its work, and the work, both in milliseconds: many small models, one at a time.
fn overhead(places: &Places) -> Result<(f64, f64)> {
    let models = project(places, "many", TASKS, |n| format!("select {n} as n"))?;
    let flags = [
        format!("--set=models.project_dir={}", models.display()),
        "--set=models.threads=1".to_owned(),
        "--set=sync.include=[\"patient\"]".to_owned(),
    ];
    let daemon = Daemon::start(places, &flags)?;
    let before = places.warehouse("select coalesce(max(run_id), 0) from amalgam.run")?;
    daemon.fire(places)?;
    let ended = format!(
        "select extract(epoch from ended_at - started_at), (select count(*) from amalgam.task t where t.run_id = r.run_id), \
         state from amalgam.run r where run_id > {} and ended_at is not null",
        before.trim()
    );
    let mut row = String::new();
    until("the run ends", || {
        row = places.warehouse(&ended)?;
        Ok(!row.trim().is_empty())
    })?;
    let metrics = get(daemon.address, "/metrics").ok_or("the daemon does not answer")?.1;
    daemon.stop()?;
    let fields: Vec<&str> = row.trim().split('|').collect();
    let [seconds, tasks, "succeeded"] = fields[..] else { return Err(format!("the run went wrong: {row}").into()) };
    let (seconds, tasks): (f64, f64) = (seconds.parse()?, tasks.parse()?);
    let work: f64 = metrics
        .lines()
        .filter_map(|line| {
            line.strip_prefix("amalgam_task_duration_seconds_sum{")?.rsplit(' ').next()?.parse::<f64>().ok()
        })
        .sum();
    Ok(((seconds - work) / tasks * 1e3, work / tasks * 1e3))
}

/// A project of so many models, each by its number.
fn project(places: &Places, name: &str, count: usize, sql: impl Fn(usize) -> String) -> Result<PathBuf> {
    let folder = places.folder().join(name);
    fs::create_dir_all(folder.join("models"))?;
    fs::write(folder.join("dbt_project.yml"), format!("name: {name}\nmodels:\n  {name}:\n    +materialized: view\n"))?;
    fs::write(
        folder.join("models/sources.yml"),
        "sources:\n  - name: raw\n    schema: raw\n    tables:\n      - name: patient\n",
    )?;
    for n in 0..count {
        fs::write(folder.join(format!("models/model_{n:05}.sql")), sql(n))?;
    }
    Ok(folder)
}

/// A daemon with one schedule that fires when it is asked to.
struct Daemon {
    child: Child,
    address: SocketAddr,
    config: PathBuf,
    ready_seconds: f64,
}

impl Daemon {
    fn start(places: &Places, flags: &[String]) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let file = places.folder().join("asked.toml");
        fs::write(&file, "[[schedule]]\nname = \"asked\"\ncron = \"0 0 1 1 *\"\n")?;
        let mut command = places.amalgam();
        command.args(flags).arg(format!("--set=http.listen={address}")).args(["--log-filter=error", "serve"]);
        command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        let began = Instant::now();
        let child = command.spawn()?;
        let mut daemon = Self { child, address, config: file, ready_seconds: 0.0 };
        while get(address, "/readyz").is_none_or(|(status, _)| status != 200) {
            if began.elapsed() > PATIENCE || daemon.child.try_wait()?.is_some() {
                return Err("the daemon does not become ready".into());
            }
            sleep(Duration::from_millis(2));
        }
        daemon.ready_seconds = began.elapsed().as_secs_f64();
        Ok(daemon)
    }

    /// Asks for a run of its schedule.
    fn fire(&self, places: &Places) -> Result<()> {
        let known = "select exists (select from amalgam.schedule where name = 'asked')";
        until("the schedule is taken up", || Ok(places.warehouse(known)?.trim() == "t"))?;
        run(places.amalgam().arg("--config").arg(&self.config).args(["schedules", "fire", "asked"]))?;
        Ok(())
    }

    /// From SIGTERM to its end, in seconds.
    fn stop(mut self) -> Result<f64> {
        let began = Instant::now();
        run(Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]))?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the daemon ended with {status}").into());
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// What it has used of the processor so far (proc(5), `stat`, fields 14 and 15).
    fn processor_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let behind_name = stat.rsplit_once(')').ok_or("no stat")?.1;
        let ticks: u32 = behind_name.split_whitespace().skip(11).take(2).map(|f| f.parse().unwrap_or(0)).sum::<u32>();
        Ok(f64::from(ticks) / TICKS)
    }

    fn resident_mebibytes(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: f64 = line.split_whitespace().next().ok_or("no VmRSS")?.parse()?;
        Ok(kibibytes / 1024.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a page; `None` while nothing answers.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

fn until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !condition()? {
        if began.elapsed() > PATIENCE {
            return Err(format!("not within {} s: {what}", PATIENCE.as_secs()).into());
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}
