//! The daemon's own notifiers, on a daemon as a process: a model breaks, and whoever is configured is told.

mod alertmanager;
mod mail;
mod receiver;
mod vocabulary;

use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, start, until, until_within},
};
use amalgam::demo::servers::Kind;
use receiver::{Manner, Receiver};
use serde_json::Value;
use std::{fs, path::PathBuf, time::Duration};
use tokio::time::Instant;

/// A look every five seconds, a wait for others, and a send, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const EVERY_SECOND: &str = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";

/// A source, and a project of models that can be broken and mended.
struct Practice {
    bench: Bench,
    project: PathBuf,
}

impl Practice {
    async fn new(name: &str) -> Self {
        let bench = Servers::fresh(name).await;
        // The value must turn up nowhere.
        bench
            .source(
                "create table payment (PayNum int primary key, Note text); insert into payment values (1, 'hunter3')",
            )
            .await;
        let project = bench.files().join("project");
        fs::create_dir_all(project.join("models")).expect("a folder can be made");
        let practice = Self { bench, project };
        practice.write("dbt_project.yml", "name: p\n");
        practice.write("models/sources.yml", "sources: [{name: od, schema: raw, tables: [{name: payment}]}]\n");
        ["income", "visits"].into_iter().for_each(|model| practice.mend(model));
        practice
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.project.join(file), text).expect("a file can be written");
    }

    fn mend(&self, model: &str) {
        self.write(&format!("models/{model}.sql"), "select \"PayNum\" as id from {{ source('od', 'payment') }}");
    }

    fn break_it(&self, model: &str) {
        // The text of PostgreSQL's error holds the value.
        let sql = "{{ config(materialized='table') }} select (max(\"Note\") || '')::int as id from {{ source('od', 'payment') }}";
        self.write(&format!("models/{model}.sql"), sql);
    }

    /// The configuration, with notifiers behind.
    fn with(&self, notifiers: &str) -> String {
        format!("[models]\nproject_dir = {:?}\n\n{EVERY_SECOND}\n{notifiers}", self.project)
    }

    async fn daemon(&self, notifiers: &str) -> Daemon {
        Daemon::start(&self.bench, &self.with(notifiers)).await
    }

    async fn until_well(&self, daemon: &Daemon) {
        until("both models are well", async || {
            let page = daemon.get("/metrics").await.map(|(_, page)| page).unwrap_or_default();
            ["income", "visits"].iter().all(|m| page.contains(&format!("amalgam_model_failing{{model=\"{m}\"}} 0")))
        })
        .await;
    }
}

/// A notifier that is told a second after the first change.
fn notify(name: &str, kind: &str, more: &str) -> String {
    let alertmanager = if kind == "alertmanager" { "" } else { "group_wait_seconds = 2\n" };
    format!("[[notify]]\nname = \"{name}\"\nkind = \"{kind}\"\n{alertmanager}{more}\n\n")
}

/// What a message of our own shape says: `+` open, `*` still open, `-` over.
fn said(body: &Value) -> Vec<String> {
    let alerts = body["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let said = |alert: &Value| {
        let sign = match (text(&alert["status"]).as_str(), alert["repeated"].as_bool()) {
            ("firing", Some(false)) => "+",
            ("firing", _) => "*",
            _ => "-",
        };
        format!("{sign}{} {}", text(&alert["alert"]), text(&alert["labels"]["model"]))
    };
    alerts.iter().map(said).collect()
}

fn all_said(receiver: &Receiver, path: &str) -> Vec<Vec<String>> {
    receiver.heard(path).iter().map(|heard| said(&heard.body)).collect()
}

async fn until_said(receiver: &Receiver, path: &str, wanted: &[&str]) {
    until_within(PATIENCE, &format!("{path} hears {wanted:?}"), async || {
        all_said(receiver, path).last().is_some_and(|said| said == wanted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_models_that_break_are_one_message_and_so_is_that_they_were_mended() {
    let practice = Practice::new("notify_group").await;
    let receiver = Receiver::listen(Manner::Answers(200)).await;
    let url = |path: &str| format!("url = \"{}\"", receiver.url(path));
    let notifiers = [
        notify("own", "webhook", &format!("{}\ntoken = \"hunter2\"\njob = \"amalgam-north\"", url("own"))),
        notify("chat", "slack", &url("chat")),
        notify("pager", "pagerduty", &format!("{}\ntoken = \"routed\"", url("pager"))),
        notify("worst", "webhook", &format!("{}\nseverity = \"critical\"", url("worst"))),
    ];
    let daemon = practice.daemon(&notifiers.concat()).await;
    practice.until_well(&daemon).await;
    ["income", "visits"].into_iter().for_each(|model| practice.break_it(model));
    until_said(&receiver, "own", &["+AmalgamModelFailing income", "+AmalgamModelFailing visits"]).await;
    until_within(PATIENCE, "the others hear too", async || {
        receiver.heard("chat").len() == 1 && receiver.heard("pager").len() == 2
    })
    .await;
    ["income", "visits"].into_iter().for_each(|model| practice.mend(model));
    until_said(&receiver, "own", &["-AmalgamModelFailing income", "-AmalgamModelFailing visits"]).await;
    until_within(PATIENCE, "the others hear too", async || {
        receiver.heard("chat").len() == 2 && receiver.heard("pager").len() == 4
    })
    .await;
    // That runs fail for it was silenced by its cause.
    assert_eq!(all_said(&receiver, "own").len(), 2);
    assert!(receiver.heard("worst").is_empty(), "nothing was critical");
    let own = &receiver.heard("own")[0];
    assert_eq!(own.authorization.as_deref(), Some("Bearer hunter2"));
    assert_eq!((&own.body["job"], &own.body["status"]), (&"amalgam-north".into(), &"firing".into()));
    let chat: Vec<String> = receiver.heard("chat").iter().map(|h| h.body["text"].to_string()).collect();
    assert!(chat[0].contains("income") && chat[0].contains("visits") && chat[1].contains("resolved"), "{chat:?}");
    let pager: Vec<(String, String)> = receiver
        .heard("pager")
        .iter()
        .map(|h| (h.body["event_action"].to_string(), h.body["dedup_key"].to_string()))
        .collect();
    let event =
        |action: &str, model: &str| (format!("\"{action}\""), format!("\"amalgam/AmalgamModelFailing/{model}\""));
    let expected = [
        event("trigger", "income"),
        event("trigger", "visits"),
        event("resolve", "income"),
        event("resolve", "visits"),
    ];
    assert_eq!(pager, expected);
    for heard in ["own", "chat", "pager"].iter().flat_map(|path| receiver.heard(path)) {
        assert!(!heard.body.to_string().contains("hunter3"), "no value is told: {}", heard.body);
    }
    let (_, metrics) = daemon.get("/metrics").await.expect("it answers");
    assert!(metrics.contains("amalgam_notifications_total{notifier=\"pager\",result=\"sent\"} 4\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_neither_repeats_nor_forgets_and_the_repeat_comes_when_it_is_time() {
    let practice = Practice::new("notify_restart").await;
    let receiver = Receiver::listen(Manner::Answers(204)).await;
    let own = notify("own", "webhook", &format!("url = \"{}\"", receiver.url("own")));
    let mut daemon = practice.daemon(&own).await;
    practice.until_well(&daemon).await;
    practice.break_it("income");
    until_said(&receiver, "own", &["+AmalgamModelFailing income"]).await;
    let remembered = "select count(*)::text from amalgam.told where notifier = 'own'";
    until("it is remembered", async || practice.bench.text(remembered).await == "1").await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    let mut daemon = practice.daemon(&own).await;
    practice.break_it("visits");
    until_said(&receiver, "own", &["+AmalgamModelFailing visits"]).await;
    until("both are remembered", async || practice.bench.text(remembered).await == "2").await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    // As if it had been down for hours; what is over by then is told to be over.
    practice.bench.warehouse("update amalgam.told set told_at = told_at - interval '5 hours'").await;
    let mut daemon = practice.daemon(&own).await;
    until_said(&receiver, "own", &["*AmalgamModelFailing income", "*AmalgamModelFailing visits"]).await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    ["income", "visits"].into_iter().for_each(|model| practice.mend(model));
    let _daemon = practice.daemon(&own).await;
    until_said(&receiver, "own", &["-AmalgamModelFailing income", "-AmalgamModelFailing visits"]).await;
    assert_eq!(all_said(&receiver, "own").len(), 4, "{:?}", all_said(&receiver, "own"));
    until("nothing is left to remember", async || practice.bench.text(remembered).await == "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifiers_that_are_dead_silent_or_refuse_leave_runs_and_others_alone() {
    let practice = Practice::new("notify_faults").await;
    let silent = Receiver::listen(Manner::IsSilent).await;
    let cutting = Receiver::listen(Manner::CutsOff).await;
    let failing = Receiver::listen(Manner::Answers(503)).await;
    let refusing = Receiver::listen(Manner::Answers(404)).await;
    let good = Receiver::listen(Manner::Answers(200)).await;
    let all = [
        ("dead", "http://127.0.0.1:1/hunter2".to_owned()),
        ("silent", silent.url("hunter2")),
        ("cutting", cutting.url("hunter2")),
        ("failing", failing.url("hunter2")),
        ("refusing", refusing.url("hunter2")),
        ("good", good.url("good")),
    ];
    let notifiers = all.map(|(name, url)| notify(name, "webhook", &format!("url = \"{url}\""))).concat();
    let mut daemon = practice.daemon(&notifiers).await;
    practice.until_well(&daemon).await;
    practice.break_it("income");
    until_said(&good, "good", &["+AmalgamModelFailing income"]).await;
    let failed = |page: &str, name: &str| {
        let series = format!("amalgam_notifications_total{{notifier=\"{name}\",result=\"failed\"}} ");
        page.split_once(&series).is_some_and(|(_, rest)| !rest.starts_with('0'))
    };
    until_within(PATIENCE, "every failure is counted", async || {
        let page = daemon.get("/metrics").await.map(|(_, page)| page).unwrap_or_default();
        ["dead", "silent", "cutting", "failing", "refusing"].iter().all(|name| failed(&page, name))
    })
    .await;
    practice.mend("income");
    let good_runs = "select count(*)::text from amalgam.run where state = 'succeeded'";
    let before: i64 = practice.bench.text(good_runs).await.parse().expect("a number");
    until("runs end well", async || {
        practice.bench.text(good_runs).await.parse::<i64>().is_ok_and(|runs| runs > before + 3)
    })
    .await;
    practice.break_it("visits");
    failing.behaves(Manner::Answers(200));
    // It hears how things stand, and not what it has missed.
    until_within(PATIENCE, "who failed is told when it is back", async || {
        all_said(&failing, "hunter2").last().is_some_and(|said| said.iter().any(|s| s == "+AmalgamModelFailing visits"))
    })
    .await;
    let warnings: Vec<&Value> =
        daemon.log().iter().filter(|l| l["level"] == "warn" && l["notifier"].is_string()).collect();
    for name in ["dead", "silent", "cutting", "failing", "refusing"] {
        assert!(warnings.iter().any(|l| l["notifier"] == name && l["host"] == "127.0.0.1"), "{name}: {warnings:?}");
    }
    let log = daemon.log().iter().map(Value::to_string).collect::<String>();
    assert!(!log.contains("hunter2"), "an address is a secret");
    let stopped = Instant::now();
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    assert!(stopped.elapsed() < crate::daemon::STOP_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_that_comes_with_a_reload_is_told_what_is_open() {
    let practice = Practice::new("notify_reload").await;
    practice.break_it("income");
    let receiver = Receiver::listen(Manner::Answers(200)).await;
    let daemon = practice.daemon("").await;
    let failing = "amalgam_model_failing{model=\"income\"} 1\n";
    until("the model fails", async || daemon.get("/metrics").await.is_some_and(|(_, page)| page.contains(failing)))
        .await;
    let own = notify("own", "webhook", &format!("url = \"{}\"", receiver.url("own")));
    drop(practice.bench.amalgam_with(&format!("[http]\nlisten = \"127.0.0.1:0\"\n\n{}", practice.with(&own))));
    daemon.signal("HUP");
    until_said(&receiver, "own", &["+AmalgamModelFailing income"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heart_beats_while_all_is_well_and_not_while_the_source_is_away() {
    let mut mariadb =
        tokio::task::spawn_blocking(|| start(Kind::MariaDb, "heartbeat-source")).await.expect("it starts");
    let bench = Servers::fresh_at("heartbeat", &mariadb).await;
    let receiver = Receiver::listen(Manner::Answers(200)).await;
    let heartbeat = format!("[heartbeat]\nurl = \"{}\"\nseconds = 1\n", receiver.url("beat"));
    let daemon = Daemon::start(&bench, &heartbeat).await;
    let beats = || receiver.heard("beat").len();
    until("it beats", async || beats() >= 3).await;
    mariadb.stop().expect("it stops");
    until("that is noticed", async || daemon.get("/readyz").await.is_some_and(|(status, _)| status == 503)).await;
    // The picture that it beats by may be one look old.
    let away = Instant::now();
    until("it has been away for a while", async || away.elapsed() > Duration::from_secs(12)).await;
    mariadb.start_again().expect("it starts again");
    let before = beats();
    until("it beats again", async || beats() > before + 1).await;
    let times: Vec<Instant> = receiver.heard("beat").iter().map(|heard| heard.at).collect();
    let silence = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
    assert!(silence > Duration::from_secs(5), "it was silent for {silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_is_tried_by_hand_and_the_answer_is_shown() {
    let bench = Servers::fresh("notify_test").await;
    let receiver = Receiver::listen(Manner::Answers(200)).await;
    let file = bench.files().join("url");
    fs::write(&file, format!("{}\n", receiver.url("hunter2"))).expect("a file can be written");
    let tried = async |name: &str| {
        let config = notify("own", "webhook", &format!("url_file = {file:?}"));
        let output = bench.amalgam_with(&config).args(["notify", "test", name]).output().await.expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), told)
    };
    let (status, told) = tried("own").await;
    assert_eq!(status, Some(0), "{told}");
    assert!(told.starts_with("open: 127.0.0.1 answered 200") && told.contains("as the test says"), "{told}");
    assert_eq!(all_said(&receiver, "hunter2").len(), 2);
    receiver.behaves(Manner::Answers(403));
    let (status, told) = tried("own").await;
    assert_eq!(status, Some(1));
    assert!(told.contains("403") && told.contains("it said: as the test says") && !told.contains("hunter2"), "{told}");
    let (status, told) = tried("others").await;
    assert_eq!(status, Some(1));
    assert!(told.contains("there is no notifier others; the configuration has own"), "{told}");
}
