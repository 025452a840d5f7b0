//! The daemon as a process: what it tells, what it survives, how it stops.

use crate::harness::{Bench, Servers, start, until};
use amalgam::demo::servers::Kind;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
};

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
        let mut command = bench.amalgam_with(&format!("[http]\nlisten = \"127.0.0.1:0\"\n\n{more}"));
        command.args(["--log-format", "json", "--log-filter", "info", "serve"]);
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
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
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
    let daemon = Daemon::start(
        &bench,
        "[[schedule]]\nname = \"nightly\"\ncron = \"0 2 * * *\"\ntimezone = \"America/Chicago\"\n",
    )
    .await;
    daemon.until_status("/readyz", 200).await;
    until("the schedule is known", || async {
        daemon
            .get("/metrics")
            .await
            .is_some_and(|(_, body)| body.contains("schedule_next_fire_timestamp_seconds{schedule=\"nightly\"}"))
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
