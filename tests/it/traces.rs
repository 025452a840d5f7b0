//! Spans of a real daemon's runs, at the other end of the wire: who is whose child, what is told and what never is,
//! and a collector that does not answer.

use crate::{
    daemon::{Daemon, STOP_MAX},
    harness::{Bench, Servers, until},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

const ONCE: &str = "[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";

/// A message as it came.
struct Heard {
    head: String,
    spans: ExportTraceServiceRequest,
    bytes: usize,
    text: String,
}

/// Somebody who takes spans by HTTP, or takes a connection and never says a word.
struct Collector {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _ears: JoinSet<()>,
}

impl Collector {
    async fn listen(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it has an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (shared, mut ears) = (Arc::clone(&heard), JoinSet::new());
        ears.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talks.spawn(take(stream, answers, Arc::clone(&shared)));
            }
        });
        Self { address, heard, _ears: ears }
    }

    fn messages<T>(&self, of: impl Fn(&Heard) -> T) -> Vec<T> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).iter().map(of).collect()
    }

    /// All that came, in the order in which they ended.
    fn spans(&self) -> Vec<Told> {
        let of_one = |heard: &Heard| {
            let scopes = heard.spans.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            scopes.flat_map(|scope| &scope.spans).cloned().map(Told::new).collect::<Vec<_>>()
        };
        self.messages(of_one).into_iter().flatten().collect()
    }
}

/// Requests of one connection, answered as a collector does.
async fn take(stream: TcpStream, answers: bool, heard: Arc<Mutex<Vec<Heard>>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if line.trim_end().is_empty() {
                break;
            }
            head.push_str(&line.to_lowercase());
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).await.ok()?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let spans = ExportTraceServiceRequest::decode(&*body).expect("it is a message of OTLP");
        let message = Heard { head, spans, bytes: length, text };
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        if !answers {
            std::future::pending::<()>().await;
        }
        // An empty message of protobuf: all was taken.
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.ok()?;
    }
}

/// A span and what stands in it.
#[derive(Clone, Debug)]
struct Told {
    span: Span,
    words: BTreeMap<String, String>,
}

impl Told {
    fn new(span: Span) -> Self {
        Self { words: words(&span.attributes), span }
    }

    fn word(&self, key: &str) -> &str {
        self.words.get(key).map_or("", String::as_str)
    }

    fn is_failed(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
    }
}

fn words(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

/// A table with a value that must turn up nowhere, a model that is good and one that fails with it.
async fn practice(name: &str) -> (Bench, String) {
    let bench = Servers::fresh(name).await;
    bench
        .source("create table payment (PayNum int primary key, Note text); insert into payment values (1, 'hunter3')")
        .await;
    let project = bench.files().join("project");
    std::fs::create_dir_all(project.join("models")).expect("a folder can be made");
    let broken =
        "{{ config(materialized='table') }} select (max(\"Note\") || '')::int as id from {{ source('od', 'payment') }}";
    for (file, text) in [
        ("dbt_project.yml", "name: p\n"),
        (
            "models/sources.yml",
            "sources: [{name: od, schema: raw, tables: [{name: payment}]}]\n\
             models: [{name: income, columns: [{name: id, data_tests: [unique]}]}]\n",
        ),
        ("models/income.sql", "select \"PayNum\" as id from {{ source('od', 'payment') }}"),
        ("models/broken.sql", broken),
    ] {
        std::fs::write(project.join(file), text).expect("a file can be written");
    }
    (bench, format!("[models]\nproject_dir = {project:?}\n\n{ONCE}"))
}

/// Lets it end, and says how long that took.
async fn stop(daemon: &mut Daemon) -> std::time::Duration {
    let began = Instant::now();
    daemon.signal("TERM");
    let ended = timeout(STOP_MAX, daemon.child.wait()).await.expect("it stops in time").expect("it ends");
    assert!(ended.success());
    began.elapsed()
}

fn count(daemon: &mut Daemon, words: &str) -> usize {
    daemon.log().iter().filter(|line| line["message"].as_str().is_some_and(|m| m.contains(words))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_told_with_its_plan_its_tasks_and_their_attempts_and_without_a_value() {
    let (bench, more) = practice("traces").await;
    let collector = Collector::listen(true).await;
    let headers = "[traces]\nheaders = \"X-Scope-OrgID=clinic\"\n\n";
    let mut daemon = Daemon::start_as(&bench, &format!("{headers}{more}"), |command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}/otlp", collector.address))
            .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20hunter2")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test");
    })
    .await;
    until("a run is told", || async { collector.spans().iter().any(|told| told.span.name == "run often") }).await;
    stop(&mut daemon).await;

    let spans = collector.spans();
    let run = spans.iter().find(|told| told.span.name == "run often").expect("a run was told").clone();
    assert!(run.span.parent_span_id.is_empty());
    assert_eq!((run.word("amalgam.state"), run.word("error.type")), ("failed", "task_failed"));
    assert_eq!(run.word("amalgam.schedule"), "often");
    let of_run: Vec<&Told> = spans.iter().filter(|told| told.span.trace_id == run.span.trace_id).collect();
    let children = |parent: &Told| {
        let of_parent = |told: &&&Told| told.span.parent_span_id == parent.span.span_id;
        of_run
            .iter()
            .filter(of_parent)
            .map(|told| (told.span.name.clone(), (*told).clone()))
            .collect::<BTreeMap<_, _>>()
    };
    let tasks = children(&run);
    let names: Vec<&str> = tasks.keys().map(String::as_str).filter(|name| !name.starts_with("maintenance")).collect();
    assert_eq!(names, ["model broken", "model income", "plan", "sync payment"]);
    assert_eq!(tasks["plan"].word("amalgam.state"), "succeeded");
    for (name, state) in [("model broken", "failed"), ("model income", "succeeded"), ("sync payment", "succeeded")] {
        let attempts = children(&tasks[name]);
        assert_eq!(attempts.keys().collect::<Vec<_>>(), ["attempt 1"], "{name}");
        let attempt = &attempts["attempt 1"];
        assert_eq!((tasks[name].word("amalgam.state"), attempt.word("amalgam.state")), (state, state), "{name}");
        assert_eq!((tasks[name].is_failed(), attempt.is_failed()), (state == "failed", state == "failed"), "{name}");
        assert_eq!(attempt.word("amalgam.attempt.number"), "1");
        let (inner, outer) = (&attempt.span, &tasks[name].span);
        assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano, "{name}");
        assert!(inner.end_time_unix_nano <= outer.end_time_unix_nano, "{name}");
        assert!(outer.end_time_unix_nano <= run.span.end_time_unix_nano, "{name}");
    }
    let of_table = &children(&tasks["sync payment"])["attempt 1"];
    assert_eq!((of_table.word("amalgam.action"), of_table.word("amalgam.rows_inserted")), ("load", "1"));
    assert_eq!(tasks["sync payment"].word("amalgam.table"), "payment");
    assert_eq!(children(&tasks["model income"])["attempt 1"].word("amalgam.tests.pass"), "1");
    assert_eq!(children(&tasks["model broken"])["attempt 1"].word("error.type"), "model_sql");

    let resources = collector
        .messages(|heard| words(&heard.spans.resource_spans[0].resource.clone().unwrap_or_default().attributes));
    assert_eq!((&*resources[0]["service.name"], &*resources[0]["deployment.environment"]), ("amalgam", "test"));
    let head = &collector.messages(|heard| heard.head.clone())[0];
    assert!(head.starts_with("post /otlp/v1/traces ") && head.contains("application/x-protobuf"), "{head}");
    assert!(head.contains("authorization: basic hunter2") && head.contains("x-scope-orgid: clinic"), "{head}");
    for text in collector.messages(|heard| heard.text.clone()) {
        assert!(!text.contains("hunter3") && !text.to_lowercase().contains("select"), "{text}");
    }
    let trace_id: String = run.span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = daemon.log().iter().find(|line| line["trace_id"] == trace_id.as_str()).cloned();
    assert_eq!(line.expect("a line of the run's")["run"].to_string(), run.word("amalgam.run.id"));
    assert!(!daemon.log().iter().any(|line| line.to_string().contains("hunter2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_up_neither_runs_nor_the_end() {
    let (bench, more) = practice("traces_away").await;
    let collector = Collector::listen(false).await;
    let traces = format!("[traces]\nendpoint = \"http://{}\"\n\n", collector.address);
    let mut daemon = Daemon::start(&bench, &format!("{traces}{more}")).await;
    // The first message is on its way meanwhile, and stays there.
    until("runs go on", || {
        let ended = count(&mut daemon, "run ended");
        async move { ended >= 4 }
    })
    .await;
    until("a message is on its way", || async { !collector.messages(|heard| heard.bytes).is_empty() }).await;
    stop(&mut daemon).await;
    assert_eq!((count(&mut daemon, "spans of runs are lost"), count(&mut daemon, "stopped")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_by_hand_is_told_before_the_command_ends() {
    let (bench, _) = practice("traces_by_hand").await;
    let collector = Collector::listen(true).await;
    let mut command = bench.amalgam_with("");
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://{}/spans", collector.address));
    command.env("OTEL_SERVICE_NAME", "north");
    let ran = command.arg("run").output().await.expect("the program starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let names: Vec<String> = collector.spans().into_iter().map(|told| told.span.name).collect();
    assert_eq!(names, ["plan", "attempt 1", "sync payment", "run"]);
    assert!(collector.messages(|heard| heard.head.clone())[0].starts_with("post /spans "));
    assert!(collector.messages(|heard| heard.text.contains("north"))[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_nobody_asks_for_it_or_it_is_switched_off() {
    let (bench, _) = practice("traces_off").await;
    let collector = Collector::listen(true).await;
    let endpoint = format!("http://{}", collector.address);
    for (variable, value) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_SAMPLER", "always_off")] {
        let mut command = bench.amalgam_with(&format!("[traces]\nendpoint = \"{endpoint}\"\n"));
        let ran = command.env(variable, value).arg("run").output().await.expect("the program starts");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    assert!(collector.messages(|heard| heard.bytes).is_empty());
}
