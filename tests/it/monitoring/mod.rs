//! What comes with Amalgam for those who have Prometheus, tried with the real programs: Prometheus scrapes a
//! running daemon, Alertmanager hands its alerts on.
//!
//! The programs run by copies of the shipped files in which only addresses and times are others: a second in the
//! place of what would be minutes.

mod chain;
mod expressions;
mod panels;

use crate::harness::until;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

const RULES: &str = "deploy/prometheus/amalgam.rules.yml";

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The dashboards that are shipped.
fn dashboards() -> Vec<(PathBuf, Value)> {
    let entries = fs::read_dir("deploy/grafana/dashboards").expect("dashboards are part of the repository");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let parsed = |path: PathBuf| {
        let value = serde_json::from_str(&read(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, value)
    };
    paths.map(parsed).collect()
}

/// The list below a key; empty where there is none.
fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// A program that serves on a port of its choice. Ends with its value.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    _child: Child,
}

impl Program {
    /// Starts it, and waits until its log says where it listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        let command = command.args(["--web.listen-address=127.0.0.1:0"]).kill_on_drop(true).stderr(Stdio::piped());
        let mut child = command.spawn().expect("scripts/prerequisites installs it");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut told = Vec::new();
        let address = loop {
            let Some(line) = lines.next_line().await.expect("its log can be read") else {
                panic!("it ended: {}", told.join("\n"));
            };
            if let Some((_, address)) = line.split_once("msg=\"Listening on\" address=") {
                break address.trim().parse().expect("it is an address");
            }
            told.push(line);
        };
        #[expect(clippy::disallowed_methods, reason = "a test's reader ends with its child")]
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, _child: child }
    }

    /// What a page answers, as JSON; `None` while nothing good is answered.
    pub(crate) async fn ask(&self, path: &str) -> Option<Value> {
        let (status, body) = get(self.address, path).await?;
        if status == 200 { serde_json::from_str(&body).ok() } else { None }
    }
}

/// By HTTP/1.0: the answer is whole and in one piece.
async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// A Prometheus that scrapes a daemon every second, by a copy of the shipped files.
struct Prometheus(Program);

impl Prometheus {
    /// `rules` is the text of the rules; alerts go to `alertmanager`, or nowhere.
    async fn start(folder: &Path, daemon: SocketAddr, rules: &str, alertmanager: Option<SocketAddr>) -> Self {
        // Port 1 answers nobody.
        let alertmanager = alertmanager.map_or("127.0.0.1:1".to_owned(), |address| address.to_string());
        let config = read("deploy/prometheus/prometheus.yml")
            .replace("127.0.0.1:9464", &daemon.to_string())
            .replace("127.0.0.1:9093", &alertmanager)
            .replace("interval: 15s", "interval: 1s");
        let file = folder.join("prometheus.yml");
        fs::write(&file, config).expect("the bench's folder can be written");
        fs::write(folder.join("amalgam.rules.yml"), rules).expect("the bench's folder can be written");
        let mut command = Command::new("prometheus");
        // What fires before it has found Alertmanager is said again soon, and not a minute later.
        command.arg("--rules.alert.resend-delay=1s");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        let prometheus = Self(Program::start(command).await);
        until("it is ready", || async {
            get(prometheus.0.address, "/-/ready").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
        prometheus
    }

    /// What an expression brings; else why not.
    async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let encoded: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let path = format!("/api/v1/query?query={encoded}");
        let (status, body) = get(self.0.address, &path).await.ok_or("no answer")?;
        if status != 200 {
            return Err(body);
        }
        let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))?;
        match &answer["data"]["result"] {
            Value::Array(result) => Ok(result.clone()),
            _ => Err(body),
        }
    }

    /// Those of the expressions that bring nothing, each with why.
    async fn silent<'e>(&self, expressions: &'e [String]) -> Vec<(&'e str, String)> {
        let mut silent = Vec::new();
        for expression in expressions {
            match self.query(expression).await {
                Ok(series) if series.is_empty() => silent.push((expression.as_str(), "brings nothing".to_owned())),
                Ok(_) => {}
                Err(error) => silent.push((expression.as_str(), error)),
            }
        }
        silent
    }
}
