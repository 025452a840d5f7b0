//! SIGHUP: another configuration in the same process, or the old one where it is bad.

use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, until},
};
use serde_json::Value;
use std::net::TcpListener;
use tokio::net::UnixDatagram;

const ANY_PORT: &str = "[http]\nlisten = \"127.0.0.1:0\"\n\n";
const EVERY_SECOND: &str = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";

/// Writes what the daemon reads when it is told to.
fn rewrite(bench: &Bench, more: &str) {
    drop(bench.amalgam_with(more));
}

/// A daemon whose log goes by the file, and not by flags.
async fn daemon(bench: &Bench, more: &str) -> Daemon {
    let mut command = bench.amalgam_with(more);
    command.args(["--log-format", "json", "serve"]);
    Daemon::started(command).await
}

async fn until_logged(daemon: &mut Daemon, what: &str, is: impl Fn(&Value) -> bool) {
    until(what, || {
        let found = daemon.log().iter().any(&is);
        async move { found }
    })
    .await;
}

fn says(line: &Value, words: &str) -> bool {
    line["message"].as_str().is_some_and(|message| message.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_comes_into_force_at_a_hangup_in_the_same_process() {
    let bench = Servers::fresh("reload_good").await;
    bench.source("create table patient (PatNum bigint primary key); insert into patient values (1)").await;
    let mut daemon = daemon(&bench, ANY_PORT).await;
    daemon.until_status("/readyz", 200).await;
    rewrite(&bench, &format!("{ANY_PORT}[log]\nfilter = \"info,amalgam=debug\"\n\n{EVERY_SECOND}"));
    daemon.signal("HUP");
    until("the new schedule fires", async || {
        daemon.get("/metrics").await.is_some_and(|(_, text)| {
            text.contains("amalgam_runs_total{schedule=\"often\",state=\"succeeded\"}")
                && text.contains("amalgam_config_reload_ok 1")
        })
    })
    .await;
    let changed = |line: &Value| {
        let keys = line["changed"].as_str().unwrap_or_default();
        keys.contains("log.filter") && keys.contains("schedule")
    };
    until_logged(&mut daemon, "what has changed is told by key", changed).await;
    // The socket is the same: nobody who watches has to learn another address.
    daemon.until_status("/readyz", 200).await;
    rewrite(&bench, &format!("{ANY_PORT}[log]\nfilter = \"off\"\n\n{EVERY_SECOND}"));
    daemon.signal("HUP");
    let reigns = "select epoch::text from amalgam.writer";
    until("the next reign has begun", async || bench.text(reigns).await == "3").await;
    let lines = daemon.log().len();
    until("runs go on", async || {
        bench.text("select count(*) >= 3 from amalgam.run where state = 'succeeded'").await == "t"
    })
    .await;
    let silent = daemon.log()[lines..].iter().filter(|line| says(line, "run ended")).count();
    assert_eq!(silent, 0, "the log's filter is in force at once");
    assert!(daemon.child.try_wait().expect("it can be asked").is_none(), "it is the process that was started");
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_with_all_its_problems_and_the_old_one_stays() {
    let bench = Servers::fresh("reload_bad").await;
    bench.source("create table patient (PatNum bigint primary key)").await;
    let good = format!("{ANY_PORT}{EVERY_SECOND}");
    let mut daemon = daemon(&bench, &good).await;
    until("it works", async || bench.texts("select 1 from pg_namespace where nspname = 'raw'").await.len() == 1).await;
    rewrite(&bench, "[retry]\nattempts_max = 0\n\n[[schedule]]\nname = \"often\"\ncron = \"at noon\"\n");
    daemon.signal("HUP");
    for key in ["retry.attempts_max", "schedule.0.cron"] {
        until_logged(&mut daemon, key, |line| {
            line["level"] == "error" && line["key"] == key && line["remedy"].is_string() && says(line, "refused")
        })
        .await;
    }
    let metric = async |value: &str| {
        daemon
            .get("/metrics")
            .await
            .is_some_and(|(_, text)| text.contains(&format!("amalgam_config_reload_ok {value}")))
    };
    assert!(metric("0").await);
    let runs = bench.text("select count(*) from amalgam.run").await;
    until("its schedule fires on", async || bench.text("select count(*) from amalgam.run").await != runs).await;
    assert_eq!(bench.text("select epoch::text from amalgam.writer").await, "1", "its reign goes on");
    rewrite(&bench, &good);
    daemon.signal("HUP");
    until("a good one is taken afterwards", async || metric("1").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_is_listened_on_after_a_reload_unless_somebody_has_it() {
    let bench = Servers::fresh("reload_listen").await;
    let mut daemon = daemon(&bench, ANY_PORT).await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = |listener: &TcpListener| listener.local_addr().expect("it has one").to_string();
    rewrite(&bench, &format!("[http]\nlisten = \"{}\"\n", port(&taken)));
    daemon.signal("HUP");
    until_logged(&mut daemon, "it is refused", |line| line["kind"] == "listen" && says(line, "refused")).await;
    assert_eq!(daemon.get("/livez").await.expect("the old one is served").0, 200);
    let address = port(&taken);
    drop(taken);
    daemon.signal("HUP");
    let other: std::net::SocketAddr = address.parse().expect("an address");
    until("it is served", async || crate::daemon::get(other, "/livez").await.is_some_and(|(status, _)| status == 200))
        .await;
    assert!(daemon.get("/livez").await.is_none(), "nobody listens at the old one any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_goes_on_by_the_new_configuration() {
    let bench = Servers::fresh("reload_run").await;
    bench
        .source(
            "create table visit (id bigint primary key) engine=MyISAM; insert into visit select seq from seq_1_to_1000",
        )
        .await;
    let writer = bench.lock_source("visit").await;
    let once = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n\n";
    let mut daemon = daemon(&bench, &format!("{ANY_PORT}{once}")).await;
    let states = "select coalesce(string_agg(a.state, ' ' order by number), '') from amalgam.attempt a join amalgam.task t using (task_id) where t.run_id = 1";
    until("its table waits", async || {
        bench.texts("select 1 from pg_tables where schemaname = 'amalgam' and tablename = 'attempt'").await.len() == 1
            && bench.text(states).await == "running"
    })
    .await;
    rewrite(&bench, &format!("{ANY_PORT}[retry]\nattempts_max = 7\n\n{once}"));
    daemon.signal("HUP");
    until("it is taken up again", async || bench.text(states).await.starts_with("interrupted running")).await;
    drop(writer);
    until("it ends well", async || bench.text("select state from amalgam.run where run_id = 1").await == "succeeded")
        .await;
    assert_eq!(bench.text("select count(*) from raw.visit").await, "1000");
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_the_reload_and_of_what_the_process_does() {
    let bench = Servers::fresh("reload_systemd").await;
    bench.source("create table patient (PatNum bigint primary key)").await;
    let path = bench.files().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket can be made");
    let daemon = Daemon::start_as(&bench, EVERY_SECOND, |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    })
    .await;
    let mut told: Vec<String> = Vec::new();
    let mut heard = |is: &dyn Fn(&[String]) -> bool| {
        let mut buffer = [0; 1024];
        while let Ok(length) = socket.try_recv(&mut buffer) {
            told.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(ToOwned::to_owned));
        }
        is(&told)
    };
    let status = |lines: &[String]| {
        lines.iter().any(|line| {
            line.starts_with("STATUS=writer; ") && line.contains("last run ") && line.ends_with(" succeeded")
        })
    };
    until("it says what it does", || std::future::ready(heard(&status))).await;
    daemon.signal("HUP");
    let reloaded = |lines: &[String]| {
        let Some(begun) = lines.iter().position(|line| line == "RELOADING=1") else { return false };
        lines[begun + 1].starts_with("MONOTONIC_USEC=") && lines[begun..].iter().any(|line| line == "READY=1")
    };
    until("it says that it reloads, and that it has", || std::future::ready(heard(&reloaded))).await;
    rewrite(&bench, "[retry]\nattempts_max = 0\n");
    daemon.signal("HUP");
    let refused = |lines: &[String]| lines.iter().any(|line| line.starts_with("STATUS=the configuration was refused"));
    until("it says that it refuses", || std::future::ready(heard(&refused))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stands_by_takes_over_by_the_configuration_it_was_told_last() {
    let bench = Servers::fresh("reload_standby").await;
    bench.source("create table patient (PatNum bigint primary key)").await;
    let mut leader = daemon(&bench, ANY_PORT).await;
    leader.until_status("/readyz", 200).await;
    let writes = async |daemon: &Daemon| {
        daemon.get("/metrics").await.is_some_and(|(_, text)| text.contains("\namalgam_writer 1"))
    };
    until("the first is the writer", async || writes(&leader).await).await;
    let mut second = daemon(&bench, ANY_PORT).await;
    let waits = |line: &Value| says(line, "another process is the writer");
    until_logged(&mut second, "the second stands by", waits).await;
    rewrite(&bench, &format!("{ANY_PORT}{EVERY_SECOND}"));
    second.signal("HUP");
    until_logged(&mut second, "the second has read it", |line| says(line, "was read again")).await;
    assert!(writes(&leader).await && !writes(&second).await);
    leader.signal("TERM");
    assert!(leader.child.wait().await.expect("it ends").success());
    until("its schedule fires", async || {
        bench.text("select count(*) from amalgam.run where schedule = 'often' and state = 'succeeded'").await != "0"
    })
    .await;
    assert!(writes(&second).await);
}
