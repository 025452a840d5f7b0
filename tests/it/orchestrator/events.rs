//! What starts a run beside its time: another schedule's, a file, a change at the source, a person, a program.

use super::PRACTICE;
use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, until},
};
use std::collections::BTreeSet;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a command of the program printed.
pub(super) async fn told(bench: &Bench, more: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = bench.amalgam_with(more).args(arguments).output().await.expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

async fn runs(bench: &Bench, schedule: &str) -> String {
    let sql = format!(
        "select coalesce(string_agg(coalesce(cause, 'time'), ',' order by run_id), '') from amalgam.run \
         where schedule = '{schedule}' and state = 'succeeded'"
    );
    bench.text(&sql).await
}

async fn until_runs(bench: &Bench, schedule: &str, causes: &str) {
    until(&format!("{schedule} has run by {causes}"), || async { runs(bench, schedule).await == causes }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_one_schedules_run_starts_another_once() {
    let bench = Servers::fresh("after").await;
    bench.source(PRACTICE).await;
    let more = "[[schedule]]\nname = \"tables\"\ncron = \"*/3 * * * * *\"\n\n\
                [[schedule]]\nname = \"then\"\nafter = [\"tables\"]\nselect = [\"payment\"]\n";
    let daemon = Daemon::start(&bench, more).await;
    daemon.until_status("/readyz", 200).await;
    until("three have followed", || async { runs(&bench, "then").await.matches("after tables").count() >= 3 }).await;
    let sql = "select (select count(*) from amalgam.run where schedule = 'then') <= \
               (select count(*) from amalgam.run where schedule = 'tables' and state = 'succeeded')";
    assert_eq!(bench.text(sql).await, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_appears_or_changes_starts_a_run_and_one_that_goes_does_not() {
    let bench = Servers::fresh("file").await;
    bench.source(PRACTICE).await;
    let file = bench.files().join("go");
    let more = format!("[[schedule]]\nname = \"dropped\"\nfile = \"{}\"\n", file.display());
    let mut daemon = Daemon::start(&bench, &more).await;
    daemon.until_status("/readyz", 200).await;
    let seen = "select count(*) from amalgam.schedule where seen_file is not null";
    until("it has looked", || async { bench.text(seen).await == "1" }).await;
    std::fs::write(&file, "1").expect("a file can be written");
    until_runs(&bench, "dropped", "file").await;
    std::fs::write(&file, "and more").expect("a file can be written");
    until_runs(&bench, "dropped", "file,file").await;
    std::fs::remove_file(&file).expect("it can go");
    until("it has seen it go", || async { bench.text("select seen_file from amalgam.schedule").await.is_empty() })
        .await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    // While nobody looks, and it is an event all the same.
    std::fs::write(&file, "again").expect("a file can be written");
    let _daemon = Daemon::start(&bench, &more).await;
    until_runs(&bench, "dropped", "file,file,file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_at_the_source_starts_a_run() {
    let bench = Servers::fresh("change").await;
    bench.source(PRACTICE).await;
    let more = "[[schedule]]\nname = \"live\"\non_change = true\n";
    let daemon = Daemon::start(&bench, more).await;
    daemon.until_status("/readyz", 200).await;
    until("it has looked", || async {
        bench.text("select count(*) from amalgam.schedule where seen_change is not null").await == "1"
    })
    .await;
    bench.source("insert into payment (PatNum, PayAmt) values (1, 50)").await;
    until("the payment is there", || async {
        bench.text("select to_regclass('raw.payment') is not null").await == "t"
            && bench.text("select count(*) from raw.payment").await == "3"
    })
    .await;
    // Its rows are there before the run that brought them has ended.
    until("the run has ended", || async { runs(&bench, "live").await.starts_with("change") }).await;
    let count = runs(&bench, "live").await;
    bench.source("update payment set PayAmt = 51 where PayAmt = 50").await;
    until("the edit is there", || async {
        bench.text("select count(*) from raw.payment where \"PayAmt\" = 51").await == "1"
    })
    .await;
    until("another run has ended", || async { runs(&bench, "live").await.len() > count.len() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lists_pauses_and_fires_schedules() {
    let bench = Servers::fresh("by_hand").await;
    bench.source(PRACTICE).await;
    let more = "[[schedule]]\nname = \"nightly\"\ncron = \"30 1 * * *\"\ntimezone = \"America/Chicago\"\njitter_seconds = 60\n";
    let (code, text) = told(&bench, more, &["schedules", "fire", "nightly"]).await;
    assert!(code == Some(1) && text.contains("no daemon has taken up schedule nightly yet"), "{text}");
    let daemon = Daemon::start(&bench, more).await;
    daemon.until_status("/readyz", 200).await;
    until("it is taken up", || async { bench.text("select count(*) from amalgam.schedule").await == "1" }).await;
    let (_, text) = told(&bench, more, &["--format", "json", "schedules"]).await;
    let listed: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let next = listed[0]["next"].as_array().expect("a list");
    assert_eq!(next.len(), 5, "{listed:#}");
    let mut faces = BTreeSet::new();
    for fire in next {
        let (local, utc) = (fire["local"].as_str().expect("a text"), fire["utc"].as_str().expect("a text"));
        let is_summer = local.ends_with("CDT");
        assert!(local.contains(" 01:3") && utc.contains(if is_summer { "T06:3" } else { "T07:3" }), "{fire}");
        faces.extend(local.split(' ').nth(2).map(ToOwned::to_owned));
    }
    // By how much it is delayed is always the same.
    assert!(faces.len() == 1 && faces.iter().all(|face| ("01:30:00"..="01:31:00").contains(&&**face)), "{faces:?}");
    let (_, text) = told(&bench, more, &["schedules"]).await;
    assert_eq!(text.matches(" 01:3").count(), 5, "{text}");

    let (code, text) = told(&bench, more, &["schedules", "fire", "nightly"]).await;
    assert_eq!(code, Some(0), "{text}");
    until_runs(&bench, "nightly", "hand").await;
    assert_eq!(told(&bench, more, &["schedules", "pause", "nightly"]).await.0, Some(0));
    let (code, text) = told(&bench, more, &["schedules", "fire", "nightly"]).await;
    assert!(code == Some(1) && text.contains("is paused") && text.contains("remedy: "), "{text}");
    assert!(told(&bench, more, &["schedules"]).await.1.contains("paused"));
    assert_eq!(told(&bench, more, &["schedules", "resume", "nightly"]).await.0, Some(0));
    assert!(!told(&bench, more, &["schedules"]).await.1.contains("paused"));
    let (code, text) = told(&bench, more, &["schedules", "pause", "nightyl"]).await;
    assert!(code == Some(1) && text.contains("there is no schedule nightyl; the configuration has nightly"), "{text}");
}

async fn post(daemon: &Daemon, path: &str, token: Option<&str>) -> u16 {
    let mut stream = TcpStream::connect(daemon.address).await.expect("it listens");
    let authorization = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_shows_the_token_starts_a_run_and_no_other_does() {
    let bench = Servers::fresh("api").await;
    bench.source(PRACTICE).await;
    let token = bench.files().join("token");
    std::fs::write(&token, "let-me-in\n").expect("a file can be written");
    let schedule = "[[schedule]]\nname = \"nightly\"\ncron = \"30 1 * * *\"\n";
    let path = "/schedules/nightly/fire";
    let bare = Daemon::start(&bench, schedule).await;
    until("it is taken up", || async { bare.get("/healthz").await.is_some_and(|(_, b)| b.contains("\"nightly\"")) })
        .await;
    assert_eq!(post(&bare, path, Some("")).await, 403);
    drop(bare);
    let daemon = Daemon::start_as(&bench, schedule, |command| {
        command.args(["--set", &format!("http.token_file={}", token.display())]);
    })
    .await;
    for wrong in [None, Some("let-me-out"), Some("")] {
        assert_eq!(post(&daemon, path, wrong).await, 401, "{wrong:?}");
    }
    assert_eq!(post(&daemon, "/schedules/weekly/fire", Some("let-me-in")).await, 404);
    assert_eq!(post(&daemon, path, Some("let-me-in")).await, 202);
    until_runs(&bench, "nightly", "api").await;
    let (_, metrics) = daemon.get("/metrics").await.expect("it answers");
    assert!(
        metrics.contains("amalgam_http_requests_total{path=\"/schedules/{name}/fire\",status=\"202\"} 1"),
        "{metrics}"
    );
}
