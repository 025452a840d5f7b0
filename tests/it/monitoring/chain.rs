//! The whole chain: a model breaks in a running daemon, and somebody is told; it is mended, and they are told that.

use super::{Program, Prometheus, RULES, list, read, text, yaml};
use crate::{
    daemon::Daemon,
    harness::{Servers, until, until_within},
};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
};

/// From the daemon's run over scrape, rule and group to the webhook, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const EXAMPLE: &str = "deploy/alertmanager/alertmanager.yml";

/// What was sent to a webhook: the receiver's name and the message.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// Somebody who listens, and answers that all is well.
async fn webhook() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let (address, heard) = (listener.local_addr().expect("it has an address"), Heard::default());
    let ears = Arc::clone(&heard);
    #[expect(clippy::disallowed_methods, reason = "a test's listener ends with the test")]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Some(message) = take(stream).await {
                ears.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            }
        }
    });
    (address, heard)
}

/// One request, answered; the connection ends with it.
async fn take(stream: TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).await.ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.ok()?;
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    reader.get_mut().write_all(answer.as_bytes()).await.ok()?;
    let receiver = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    Some((receiver, serde_json::from_slice(&body).ok()?))
}

/// The example with the times shortened to seconds, and every receiver a webhook of the test's.
fn shortened(example: &Value, webhook: SocketAddr) -> Value {
    fn hurry(route: &mut Value) {
        for (key, time) in [("group_wait", "1s"), ("group_interval", "1s"), ("repeat_interval", "5s")] {
            route[key] = json!(time);
        }
        for route in route["routes"].as_array_mut().into_iter().flatten() {
            hurry(route);
        }
    }
    let mut config = example.clone();
    hurry(&mut config["route"]);
    for receiver in config["receivers"].as_array_mut().expect("there are receivers") {
        let name = text(receiver, "name").to_owned();
        let url = format!("http://{webhook}/{name}");
        *receiver = json!({ "name": name, "webhook_configs": [{ "url": url, "send_resolved": true }] });
    }
    config
}

/// The rules, but that nothing is waited for before an alert fires.
fn hasty(rules: &str) -> String {
    let at_once = |line: &str| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 0s\n"),
        _ => format!("{line}\n"),
    };
    rules.lines().map(at_once).collect()
}

async fn alertmanager(folder: &Path, webhook: SocketAddr) -> Program {
    let file = folder.join("alertmanager.yml");
    // JSON is YAML.
    let config = shortened(&yaml(&read(EXAMPLE)), webhook).to_string();
    fs::write(&file, config).expect("the bench's folder can be written");
    let mut command = Command::new("prometheus-alertmanager");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.path={}", folder.join("alertmanager").display()));
    command.arg("--cluster.listen-address=");
    Program::start(command).await
}

/// The alert in a message to a receiver, where there is one in that state.
fn told(heard: &Heard, receiver: &str, alert: &str, status: &str) -> Option<Value> {
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let messages = heard.iter().filter(|(name, _)| name == receiver);
    let mut alerts = messages.flat_map(|(_, message)| list(message, "alerts"));
    alerts.find(|a| text(&a["labels"], "alertname") == alert && text(a, "status") == status).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_breaks_is_told_of_at_a_webhook_and_so_is_that_it_was_mended() {
    let bench = Servers::fresh("chain").await;
    bench.source("create table payment (PayNum int primary key); insert into payment values (1)").await;
    let project = bench.files().join("project");
    fs::create_dir_all(project.join("models")).expect("a folder can be made");
    let write = |file: &str, text: &str| fs::write(project.join(file), text).expect("a file can be written");
    let good = "select \"PayNum\" as id from {{ source('od', 'payment') }}";
    write("dbt_project.yml", "name: p\n");
    write("models/sources.yml", "sources: [{name: od, schema: raw, tables: [{name: payment}]}]\n");
    write("models/revenue.sql", good);
    let schedule = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let daemon = Daemon::start(&bench, &format!("[models]\nproject_dir = {project:?}\n\n{schedule}")).await;
    let (address, heard) = webhook().await;
    let alertmanager = alertmanager(bench.files(), address).await;
    let prometheus =
        Prometheus::start(bench.files(), daemon.address, &hasty(&read(RULES)), Some(alertmanager.address)).await;

    let well = "amalgam_model_failing{model=\"revenue\"} == 0";
    until_within(PATIENCE, "the model is well", async || prometheus.query(well).await.is_ok_and(|s| !s.is_empty()))
        .await;
    until_within(PATIENCE, "the heartbeat beats", async || {
        told(&heard, "heartbeat", "AmalgamWatchdog", "firing").is_some()
    })
    .await;
    assert_eq!(told(&heard, "mail", "AmalgamModelFailing", "firing"), None);

    write("models/revenue.sql", "select no_such_column from {{ source('od', 'payment') }}");
    until_within(PATIENCE, "somebody is told that the model fails", async || {
        told(&heard, "mail", "AmalgamModelFailing", "firing").is_some()
    })
    .await;
    let alert = told(&heard, "mail", "AmalgamModelFailing", "firing").expect("it was just there");
    assert_eq!((text(&alert["labels"], "model"), text(&alert["labels"], "severity")), ("revenue", "warning"));
    assert!(text(&alert["annotations"], "summary").contains("revenue"), "{alert:#}");
    assert!(Path::new(text(&alert["annotations"], "runbook")).is_file(), "{alert:#}");
    // That its runs fail for it is known, and told to nobody.
    until("the consequence is silenced by its cause", || async {
        let alerts = alertmanager.ask("/api/v2/alerts").await.unwrap_or_default();
        let all = alerts.as_array().map(Vec::as_slice).unwrap_or_default();
        let runs = all.iter().find(|alert| text(&alert["labels"], "alertname") == "AmalgamRunsFailing");
        runs.is_some_and(|alert| !list(&alert["status"], "inhibitedBy").is_empty())
    })
    .await;
    assert_eq!(told(&heard, "mail", "AmalgamRunsFailing", "firing"), None);

    write("models/revenue.sql", good);
    until_within(PATIENCE, "somebody is told that it was mended", async || {
        told(&heard, "mail", "AmalgamModelFailing", "resolved").is_some()
    })
    .await;
}

fn amtool(arguments: &[&str]) -> String {
    let output = std::process::Command::new("amtool").args(arguments).output();
    let output = output.expect("scripts/prerequisites installs amtool");
    // It warns, beside what it says, of a configuration of its own that it does not need.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_example_is_well_formed_and_sends_each_severity_where_the_page_says() {
    let told = amtool(&["check-config", EXAMPLE]);
    assert!(told.contains("SUCCESS") && told.contains("3 receivers"), "{told}");
    let config = format!("--config.file={EXAMPLE}");
    for (label, receiver) in [
        ("severity=critical", "on-call"),
        ("severity=warning", "mail"),
        ("severity=info", "mail"),
        ("alertname=AmalgamWatchdog", "heartbeat"),
    ] {
        assert_eq!(amtool(&["config", "routes", "test", &config, label]), receiver, "{label}");
    }
}

/// What a rule of inhibition names exists, or it silences nothing and nobody notices.
#[test]
fn what_silences_what_speaks_of_alerts_that_there_are() {
    let rules = read(RULES);
    let example = yaml(&read(EXAMPLE));
    let mut named = 0;
    for rule in list(&example, "inhibit_rules") {
        for matcher in list(rule, "source_matchers").iter().chain(list(rule, "target_matchers")) {
            let matcher = matcher.as_str().expect("a matcher is a text");
            let Some(names) = matcher.strip_prefix("alertname").map(|m| m.trim_start_matches(['=', '~'])) else {
                continue;
            };
            for name in names.trim_matches('"').split('|') {
                assert!(rules.contains(&format!("- alert: {name}\n")), "{name}");
                named += 1;
            }
        }
    }
    let source_down = list(&example, "inhibit_rules").iter().any(|rule| {
        let matches =
            |key: &str, name: &str| list(rule, key).iter().any(|m| m.as_str().is_some_and(|m| m.contains(name)));
        matches("source_matchers", "AmalgamSourceDown") && matches("target_matchers", "AmalgamFreshnessBurns")
    });
    assert!(named > 20 && source_down);
}
