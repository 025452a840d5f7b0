//! The daemon as a process: what it tells, what it survives, how it stops.

use crate::harness::{Bench, Servers, start, until};
use amalgam::{demo::servers::Kind, error::Kind as Problem};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixDatagram},
    process::{Child, Command},
    sync::mpsc,
};

/// A daemon that is told to stop has ended by then: what is under way has 4 s, connections 1 s more, and
/// the machine may be busy.
pub(crate) const STOP_MAX: std::time::Duration = std::time::Duration::from_secs(12);

/// Status and body of a page; `None` while nothing answers.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// A daemon that runs, with its log.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    lines: mpsc::UnboundedReceiver<String>,
    log: Vec<serde_json::Value>,
}

impl Daemon {
    /// Starts it on a free port, and waits until it says which.
    pub(crate) async fn start(bench: &Bench, more: &str) -> Self {
        Self::start_as(bench, more, |_| {}).await
    }

    /// The same, with more arguments or another environment.
    pub(crate) async fn start_as(bench: &Bench, more: &str, adapt: impl FnOnce(&mut Command)) -> Self {
        let mut command = bench.amalgam_with(&format!("[http]\nlisten = \"127.0.0.1:0\"\n\n{more}"));
        command.args(["--log-format", "json", "--log-filter", "info", "serve"]);
        adapt(&mut command);
        Self::started(command).await
    }

    /// The same from a command of the test's own.
    pub(crate) async fn started(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut reader = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut log = Vec::new();
        let address = loop {
            let line = reader.next_line().await.expect("its log can be read").expect("it says where it listens");
            log.push(parsed(&line));
            if let Some(address) = log.last().and_then(|l| l["listen"].as_str()) {
                break address.parse().expect("it is an address");
            }
        };
        let (sender, lines) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "a test's reader ends with its child")]
        tokio::spawn(async move {
            while let Ok(Some(line)) = reader.next_line().await {
                let _ = sender.send(line);
            }
        });
        Self { child, address, lines, log }
    }

    /// Status and body; `None` while nothing answers.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.address, path).await
    }

    pub(crate) async fn until_status(&self, path: &str, status: u16) {
        until(&format!("{path} answers {status}"), || async { self.get(path).await.is_some_and(|(s, _)| s == status) })
            .await;
    }

    /// What was logged so far; every line must be a JSON object.
    pub(crate) fn log(&mut self) -> &[serde_json::Value] {
        while let Ok(line) = self.lines.try_recv() {
            self.log.push(parsed(&line));
        }
        &self.log
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status().expect("kill is there");
        assert!(sent.success());
    }
}

fn parsed(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn daemon_starts_unready_with_databases_down_and_becomes_ready_by_itself() {
    let (mut mariadb, mut postgres) = tokio::task::spawn_blocking(|| {
        (start(Kind::MariaDb, "daemon-source"), start(Kind::PostgreSql, "daemon-warehouse"))
    })
    .await
    .expect("the servers start");
    let bench = Bench::on(&mariadb, &postgres).await;
    mariadb.stop().expect("it stops");
    postgres.stop().expect("it stops");
    let mut daemon = Daemon::start(&bench, "").await;
    daemon.until_status("/livez", 200).await;
    daemon.until_status("/readyz", 503).await;
    let (status, body) = daemon.get("/startupz").await.expect("it answers");
    assert_eq!(status, 503, "{body}");
    until("readiness names both failures", || async {
        let (_, body) = daemon.get("/readyz").await.expect("it answers");
        body.contains("source_unreachable") && body.contains("warehouse_unreachable")
    })
    .await;
    let told = healthz(&daemon).await;
    assert_eq!((&told["ready"], &told["writer"], &told["known"]), (&json!(false), &json!(false), &Value::Null));
    for (side, kind) in [("source", Problem::SourceUnreachable), ("warehouse", Problem::WarehouseUnreachable)] {
        let side = &told[side];
        assert_eq!((&side["up"], &side["error_kind"]), (&json!(false), &json!(kind.as_str())), "{told:#}");
        assert!(side["since"].is_string() && side["error"].is_string() && side["remedy"] == kind.policy().1);
    }
    postgres.start_again().expect("it starts again");
    daemon.until_status("/startupz", 200).await;
    assert_eq!(daemon.get("/readyz").await.expect("it answers").0, 503);
    mariadb.start_again().expect("it starts again");
    daemon.until_status("/readyz", 200).await;
    // And once more, while it runs.
    postgres.kill().expect("it dies");
    daemon.until_status("/readyz", 503).await;
    let (status, body) = daemon.get("/metrics").await.expect("metrics are there without the warehouse");
    assert_eq!(status, 200);
    assert!(body.contains("\namalgam_warehouse_up 0\n"), "{body}");
    postgres.start_again().expect("it starts again");
    daemon.until_status("/readyz", 200).await;
    until("it is the writer again", || async {
        daemon.get("/metrics").await.is_some_and(|(_, body)| body.contains("\namalgam_writer 1\n"))
    })
    .await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    assert!(!daemon.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_pass_promtool() {
    let bench = Servers::fresh("promtool").await;
    bench.source("create table payment (PayNum int primary key); insert into payment values (1)").await;
    let project = bench.files().join("project");
    std::fs::create_dir_all(project.join("models")).expect("a folder can be made");
    let sources = "sources: [{name: od, schema: raw, tables: [{name: payment}]}]\n\
                   models: [{name: pay, columns: [{name: id, data_tests: [unique]}]}]\n";
    for (file, text) in [
        ("dbt_project.yml", "name: p\n"),
        ("models/sources.yml", sources),
        ("models/pay.sql", "select \"PayNum\" as id from {{ source('od', 'payment') }}"),
    ] {
        std::fs::write(project.join(file), text).expect("a file can be written");
    }
    let schedule = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\ntimezone = \"America/Chicago\"\n";
    let daemon = Daemon::start(&bench, &format!("[models]\nproject_dir = {project:?}\n\n{schedule}")).await;
    // Every family that has labels shows itself only once it has a series.
    let series = [
        "amalgam_table_synced_timestamp_seconds{table=\"payment\"}",
        "amalgam_table_rows{table=\"payment\"} 1\n",
        "amalgam_rows_read_total ",
        "amalgam_run_last_rows{operation=\"read\",schedule=\"often\"}",
        "amalgam_model_test_verdicts{status=\"pass\"} 1\n",
        "amalgam_connections_max{pool=\"source\"}",
        "amalgam_schema_changes_total{change=\"reloaded\"} 0\n",
        "amalgam_model_published_timestamp_seconds{model=\"pay\"}",
        "amalgam_model_tests_total{",
        "amalgam_task_duration_seconds_bucket{",
        "amalgam_runs_total{",
        "amalgam_schedule_next_fire_timestamp_seconds{schedule=\"often\"}",
    ];
    until("a table, a model, a run and a schedule are told of", || async {
        daemon.get("/metrics").await.is_some_and(|(_, body)| series.iter().all(|family| body.contains(family)))
    })
    .await;
    let (_, text) = daemon.get("/metrics").await.expect("it answers");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed by scripts/prerequisites");
    let mut stdin = promtool.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).await.expect("promtool reads");
    drop(stdin);
    let output = promtool.wait_with_output().await.expect("promtool ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.trim().is_empty(), "{told}\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_refused_and_a_second_daemon_waits() {
    let bench = Servers::fresh("second").await;
    let mut first = Daemon::start(&bench, "").await;
    let is_writer =
        async |daemon: &Daemon| daemon.get("/metrics").await.is_some_and(|(_, b)| b.contains("\namalgam_writer 1\n"));
    until("the first is the writer", || is_writer(&first)).await;
    let run = bench.amalgam().args(["--log-filter", "off", "run"]).output().await.expect("it ends");
    assert_eq!(run.status.code(), Some(1));
    let told = String::from_utf8_lossy(&run.stderr);
    let holder = format!("amalgam serve, process {}", first.child.id().expect("it runs"));
    assert!(told.contains("another process writes") && told.contains(&holder), "{told}");
    let second = Daemon::start(&bench, "").await;
    second.until_status("/readyz", 200).await;
    assert!(!is_writer(&second).await);
    first.signal("KILL");
    first.child.wait().await.expect("it ends");
    until("the second takes over", || is_writer(&second)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_a_clear_error() {
    let bench = Servers::fresh("in_use").await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let address = taken.local_addr().expect("a listener has an address");
    let mut command = bench.amalgam_with(&format!("[http]\nlisten = \"{address}\"\n"));
    let output = command.arg("serve").output().await.expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&address.to_string()) && told.contains("remedy: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_user_of_the_source_nothing_is_started() {
    let bench = Servers::fresh("no_user").await;
    for command in ["serve", "run"] {
        let mut program = bench.amalgam_with("[http]\nlisten = \"127.0.0.1:0\"\n");
        let output = program.args(["--set", "source.user=", command]).output().await.expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains("source.user"), "{command}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn daemon_drains_at_the_first_signal() {
    let bench = Servers::fresh("drains").await;
    let mut daemon = Daemon::start(&bench, "").await;
    daemon.until_status("/readyz", 200).await;
    daemon.signal("INT");
    let began = std::time::Instant::now();
    assert!(daemon.child.wait().await.expect("it ends").success());
    assert!(began.elapsed().as_secs() < 5);
    until("the end is logged", || {
        let stopped = daemon.log().iter().any(|line| line["message"] == "stopped");
        async move { stopped }
    })
    .await;
}

async fn healthz(daemon: &Daemon) -> Value {
    let (status, body) = daemon.get("/healthz").await.expect("it answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|e| panic!("not JSON: {e}: {body}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn healthz_tells_what_there_is_to_know_in_one_object() {
    let bench = Servers::fresh("healthz").await;
    bench.source("create table patient (PatNum bigint primary key); insert into patient values (1)").await;
    let project = bench.files().join("project");
    std::fs::create_dir_all(project.join("models")).expect("a folder can be made");
    std::fs::write(project.join("dbt_project.yml"), "name: p\n").expect("a file can be written");
    std::fs::write(project.join("models/broken.sql"), "select no_such_column").expect("a file can be written");
    let more = format!(
        "[models]\nproject_dir = \"{}\"\n\n[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n",
        project.display()
    );
    let daemon = Daemon::start(&bench, &more).await;
    // Whether it is ready is asked now and then, and a run may be faster.
    daemon.until_status("/readyz", 200).await;
    until("a run has ended", || async {
        let told = healthz(&daemon).await;
        told["known"]["tables"] == 1 && told["known"]["models_failing"].as_array().is_some_and(|m| m.len() == 1)
    })
    .await;
    let mut told = healthz(&daemon).await;
    let fields = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(fields(&told), "version now ready writer source quiet_until warehouse migrated known");
    assert_eq!(fields(&told["source"]), "up since error_kind error remedy");
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    for what in ["ready", "writer", "migrated"] {
        assert_eq!(told[what], json!(true), "{told:#}");
    }
    assert_eq!((&told["source"]["up"], &told["warehouse"]["error"]), (&json!(true), &Value::Null));
    let known = told["known"].take();
    assert_eq!(
        fields(&known),
        "tables tables_oldest_fresh_at tables_failing tables_late rows_quarantined models models_failing schedules runs_running"
    );
    let moment = |value: &Value| value.as_str().and_then(|t| t.parse::<chrono::DateTime<chrono::Utc>>().ok());
    let now = moment(&told["now"]).expect("a time");
    assert!(moment(&known["tables_oldest_fresh_at"]).is_some_and(|fresh| fresh <= now), "{known:#}");
    assert_eq!((&known["tables_failing"], &known["models"]), (&json!([]), &json!(1)));
    let failing = &known["models_failing"][0];
    assert_eq!((&failing["name"], &failing["error_kind"]), (&json!("model.p.broken"), &json!("model_sql")));
    assert!(moment(&failing["since"]).is_some_and(|since| since <= now), "{known:#}");
    let schedule = &known["schedules"][0];
    assert_eq!(schedule["name"], "often");
    assert!(moment(&schedule["last_fire_at"]) < moment(&schedule["next_fire_at"]), "{known:#}");
    assert!(known["runs_running"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_quarantine_are_told_wherever_one_looks() {
    let bench = Servers::fresh("quarantine").await;
    bench.source("create table patient (PatNum bigint primary key, IsHidden tinyint); insert into patient values (1, 0), (2, 5)").await;
    let more = "[[sync.types]]\ncolumns = \"patient.Is*\"\nas = \"boolean\"\n\n[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";
    let mut daemon = Daemon::start(&bench, more).await;
    daemon.until_status("/readyz", 200).await;
    until("healthz tells of it", || async {
        healthz(&daemon).await["known"]["rows_quarantined"] == json!({ "patient": 1 })
    })
    .await;
    let (_, metrics) = daemon.get("/metrics").await.expect("it answers");
    assert!(metrics.contains("amalgam_quarantined_rows{table=\"patient\"} 1"), "{metrics}");
    until("the log warns of it", || {
        let warned = |l: &Value| l["level"] == "warn" && l["table"] == "patient" && l["rows"] == 1;
        let found = daemon.log().iter().any(warned);
        async move { found }
    })
    .await;
    // What the page of the alert says to ask is answered.
    let page = include_str!("../../docs/runbooks/rows-quarantined.md");
    let asked = page.split_once("```sql\n").and_then(|(_, rest)| rest.split_once("```")).expect("it has SQL").0;
    assert_eq!(bench.texts(asked).await.len(), 2, "{asked}");
    for (command, words) in [
        ("status", "warning: 1 row of patient in quarantine"),
        ("verify", "2 rows compared: every value equal\n1 row in quarantine, not"),
    ] {
        let output = bench.amalgam_with(more).arg(command).output().await.expect("it ends");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && told.contains(words), "{command}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_the_start_of_each_sign_of_life_and_of_the_end() {
    let bench = Servers::fresh("systemd").await;
    let path = bench.files().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket can be made");
    let mut daemon = Daemon::start_as(&bench, "", |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    })
    .await;
    let mut told: Vec<String> = Vec::new();
    let mut listen = |wanted: &str, times: usize| {
        let mut buffer = [0; 512];
        while let Ok(length) = socket.try_recv(&mut buffer) {
            told.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(ToOwned::to_owned));
        }
        let heard = told.iter().filter(|line| *line == wanted).count() >= times;
        async move { heard }
    };
    until("it says that it is ready", || listen("READY=1", 1)).await;
    until("it shows signs of life", || listen("WATCHDOG=1", 3)).await;
    daemon.signal("TERM");
    until("it says that it stops", || listen("STOPPING=1", 1)).await;
    assert!(daemon.child.wait().await.expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_is_cut_off_in_time_at_a_signal_and_the_next_start_does_it_again() {
    let bench = Servers::fresh("cut_off").await;
    bench.source("create table big (id bigint primary key, name varchar(40)); insert into big select seq, md5(seq) from seq_1_to_400000").await;
    // In small ranges, so that there is time to stop it, and a place to.
    let more = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let small = |command: &mut Command| {
        command.args(["--set", "source.range_rows=200"]);
    };
    let mut daemon = Daemon::start_as(&bench, more, small).await;
    until("rows are on their way", || async {
        let copied =
            "select coalesce(sum(tuples_processed), 0) from pg_stat_progress_copy where datname = current_database()";
        bench.text(copied).await != "0"
    })
    .await;
    // Whoever writes to it stops the reader; so the load is not at its end when the time is up.
    let writer = bench.lock_source("big").await;
    let under_way = "select count(*) from amalgam.task where subject = 'big' and state = 'running'";
    assert_eq!(bench.text(under_way).await, "1");
    daemon.signal("TERM");
    let began = std::time::Instant::now();
    assert!(daemon.child.wait().await.expect("it ends").success());
    assert!(began.elapsed() < STOP_MAX, "it took {:?}", began.elapsed());
    assert_eq!(bench.text("select to_regclass('raw.big') is null").await, "t");
    assert_eq!(bench.text("select string_agg(state, ' ') from amalgam.run").await, "running");
    drop(writer);

    let mut daemon = Daemon::start_as(&bench, more, small).await;
    until("it is loaded", || async { bench.text("select to_regclass('raw.big') is not null").await == "t" }).await;
    let attempts = "select string_agg(a.state, ' ' order by number) from amalgam.attempt a join amalgam.task t using (task_id) where t.run_id = (select min(run_id) from amalgam.run)";
    until("its end is recorded", || async { bench.text(attempts).await == "interrupted succeeded" }).await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    let verified = bench.amalgam().arg("verify").output().await.expect("it ends");
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && told.contains("400000 rows compared: every value equal"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_connections_and_says_nothing_takes_few_of_the_daemons_descriptors() {
    let bench = Servers::fresh("descriptors").await;
    let daemon = Daemon::start(&bench, "").await;
    daemon.until_status("/readyz", 200).await;
    let folder = format!("/proc/{}/fd", daemon.child.id().expect("it runs"));
    let open = || std::fs::read_dir(&folder).expect("it runs").count();
    let (before, mut silent) = (open(), Vec::new());
    for _ in 0..160 {
        let mut stream = TcpStream::connect(daemon.address).await.expect("it listens");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ").await.expect("somebody takes it");
        silent.push(stream);
    }
    // /proc/net/tcp: of a socket that listens (0A), how many wait to be taken.
    let port = format!(":{:04X} 00000000:0000 0A ", daemon.address.port());
    let waiting = || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the system tells of its sockets");
        let (_, queues) = sockets.lines().find_map(|line| line.split_once(&port)).expect("it listens");
        usize::from_str_radix(&queues[9..17], 16).expect("a number of eight digits")
    };
    until("it has taken what it takes", async || open() >= before + 60 && waiting() > 60).await;
    assert!(open() < before + 80, "{} descriptors, {before} before", open());
    drop(silent);
    daemon.until_status("/readyz", 200).await;
}
