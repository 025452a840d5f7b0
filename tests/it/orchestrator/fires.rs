//! Which fires happen, in a real daemon: those that are delayed, were missed, come during a run, or are let go
//! because the schedule is paused.

use super::{
    PRACTICE,
    events::told,
    is_under_way,
    month::{by_shown_clock, show},
};
use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, until},
};
use amalgam::state::State;
use chrono::{DateTime, Utc};
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// A practice, and a warehouse with a control plane that can be asked.
async fn practice(name: &str) -> Bench {
    let bench = Servers::fresh(name).await;
    bench.source(PRACTICE).await;
    State::new(&bench.config().warehouse).migrate().await.expect("the schema can be made");
    bench
}

async fn ended(mut daemon: Daemon) {
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
}

/// A daemon whose clock shows a moment.
async fn shown(bench: &Bench, more: &str, now: &str) -> Daemon {
    show(bench, at(now));
    Daemon::start_as(bench, more, |command| by_shown_clock(bench, command)).await
}

async fn until_text(bench: &Bench, what: &str, sql: &str, wanted: &str) {
    until(&format!("{what}: {wanted}"), || async {
        bench.texts(sql).await.into_iter().flatten().flatten().next().as_deref() == Some(wanted)
    })
    .await;
}

/// Each fire that began a run, by schedule and time of day.
const FIRED: &str = "select coalesce(string_agg(schedule || ' ' || to_char(fire_at, 'HH24:MI'), ', ' order by schedule, fire_at), '') \
     from amalgam.run where state = 'succeeded'";
/// When each schedule fires next.
const NEXT: &str =
    "select string_agg(name || ' ' || to_char(next_fire_at, 'HH24:MI'), ', ' order by name) from amalgam.schedule";

async fn counter(daemon: &Daemon, series: &str) -> u64 {
    let (_, text) = daemon.get("/metrics").await.expect("it answers");
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_schedules_fire_as_they_are_listed_and_the_same_after_a_restart() {
    let bench = practice("jitter").await;
    let schedule =
        |name: char| format!("[[schedule]]\nname = \"{name}\"\ncron = \"*/10 * * * * *\"\njitter_seconds = 3600\n\n");
    let more: String = ('a'..='f').map(schedule).collect();
    let (_, text) = told(&bench, &more, &["--format", "json", "schedules"]).await;
    let listed: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let mut delays = BTreeMap::new();
    for schedule in listed.as_array().expect("a list") {
        let seconds = |fire: &serde_json::Value| at(fire["utc"].as_str().expect("a text")).timestamp() % 10;
        let fires = schedule["next"].as_array().expect("a list");
        let delay = seconds(&fires[0]);
        assert!(fires.len() == 5 && fires.iter().all(|fire| seconds(fire) == delay), "{schedule:#}");
        delays.insert(schedule["schedule"].as_str().expect("a name").to_owned(), delay);
    }
    assert!(delays.values().any(|delay| *delay != 0), "{delays:?}");
    let told: Vec<String> = delays.iter().map(|(name, delay)| format!("{name} {delay}")).collect();
    let told = told.join(", ");
    for start in 1..=2 {
        let daemon = Daemon::start(&bench, &more).await;
        let fired =
            format!("select count(*) from (select from amalgam.run group by schedule having count(*) >= {start}) s");
        until_text(&bench, "schedules that have fired", &fired, "6").await;
        let rest = |column: &str| format!("extract(epoch from {column})::bigint % 10");
        for (column, table, name) in [("fire_at", "run", "schedule"), ("next_fire_at", "schedule", "name")] {
            let sql =
                format!("select string_agg(distinct {name} || ' ' || {}, ', ') from amalgam.{table}", rest(column));
            assert_eq!(bench.text(&sql).await, told, "start {start}: {column}");
        }
        assert_eq!(bench.text("select count(*) from amalgam.run where started_at < fire_at").await, "0");
        ended(daemon).await;
    }
}

fn hourly(name: &str, more: &str) -> String {
    format!("[[schedule]]\nname = \"{name}\"\ncron = \"0 * * * *\"\nselect = [\"payment\"]\n{more}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn fires_missed_by_a_daemon_that_was_down_are_made_up_for_by_one_run_or_let_go() {
    let bench = practice("missed").await;
    let more = hourly("lets-go", "catch_up = \"none\"\n") + &hourly("makes-up", "catch_up = \"once\"\n");
    let daemon = shown(&bench, &more, "2027-03-01T12:10:00Z").await;
    until_text(&bench, "next", NEXT, "lets-go 13:00, makes-up 13:00").await;
    ended(daemon).await;

    let daemon = shown(&bench, &more, "2027-03-01T15:30:00Z").await;
    until_text(&bench, "next", NEXT, "lets-go 16:00, makes-up 16:00").await;
    until_text(&bench, "fired", FIRED, "makes-up 13:00").await;
    let skipped = |name: &str| format!("amalgam_fires_skipped_total{{schedule=\"{name}\"}} ");
    assert_eq!(counter(&daemon, &skipped("lets-go")).await, 1);
    assert_eq!(counter(&daemon, &skipped("makes-up")).await, 0);
    show(&bench, at("2027-03-01T16:00:00Z"));
    until_text(&bench, "fired", FIRED, "lets-go 16:00, makes-up 13:00, makes-up 16:00").await;
    ended(daemon).await;

    // What was due a moment before the start was not missed, whatever was before it.
    let daemon = shown(&bench, &more, "2027-03-01T19:00:10Z").await;
    let all = "lets-go 16:00, lets-go 19:00, makes-up 13:00, makes-up 16:00, makes-up 17:00";
    until_text(&bench, "fired", FIRED, all).await;
    until_text(&bench, "next", NEXT, "lets-go 20:00, makes-up 20:00").await;
    ended(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_and_then_on_loses_no_fire_to_those_that_have_happened() {
    let bench = practice("back_and_on").await;
    let more = hourly("hourly", "");
    let daemon = shown(&bench, &more, "2027-03-01T10:50:00Z").await;
    until_text(&bench, "next", NEXT, "hourly 11:00").await;
    show(&bench, at("2027-03-01T11:00:00Z"));
    until_text(&bench, "fired", FIRED, "hourly 11:00").await;
    show(&bench, at("2027-03-01T12:00:00Z"));
    until_text(&bench, "fired", FIRED, "hourly 11:00, hourly 12:00").await;
    // Wrong for a while: both are due again, and happen no second time.
    show(&bench, at("2027-03-01T10:20:00Z"));
    until_text(&bench, "next", NEXT, "hourly 11:00").await;
    show(&bench, at("2027-03-01T13:10:00Z"));
    until_text(&bench, "next", NEXT, "hourly 14:00").await;
    until_text(&bench, "fired", FIRED, "hourly 11:00, hourly 12:00, hourly 13:00").await;
    ended(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fires_during_a_run_are_left_out_or_make_one_that_waits() {
    let bench = practice("overlap").await;
    let schedule = |name: &str, table: &str, rule: &str| {
        format!(
            "[[schedule]]\nname = \"{name}\"\ncron = \"* * * * * *\"\nselect = [\"{table}\"]\noverlap = \"{rule}\"\n\n"
        )
    };
    let more = schedule("skips", "payment", "skip") + &schedule("waits", "patient", "queue");
    let daemon = Daemon::start(&bench, &more).await;
    let loaded = "select count(*) from amalgam.table_state";
    until_text(&bench, "tables loaded", loaded, "2").await;
    // Both are written by who has locked them: whoever reads waits.
    let mut payment = bench.lock_source("payment").await;
    payment.query_drop("insert into payment (PatNum, PayAmt) values (1, 1)").await.expect("it may write");
    let mut patient = bench.lock_source("patient").await;
    patient.query_drop("insert into patient (LName) values ('c')").await.expect("it may write");
    for table in ["payment", "patient"] {
        until(&format!("{table} is under way"), || is_under_way(&bench, table)).await;
    }
    let under_way = async |name: &str| {
        bench.text(&format!("select fire_at from amalgam.run where schedule = '{name}' and state = 'running'")).await
    };
    let (skips, waits) = (under_way("skips").await, under_way("waits").await);
    let since = |name: &str, moment: &str, seconds: u32| {
        format!(
            "select next_fire_at > '{moment}'::timestamptz + interval '{seconds} s' from amalgam.schedule where name = '{name}'"
        )
    };
    until_text(&bench, "fires have passed", &since("skips", &skips, 3), "t").await;
    let queued = "select queued_fire_at from amalgam.schedule where name = 'waits' and queued_fire_at is not null";
    until("one waits", || async { !bench.texts(queued).await.is_empty() }).await;
    let queued = bench.text(queued).await;
    until_text(&bench, "more have passed", &since("waits", &queued, 3), "t").await;
    assert!(counter(&daemon, "amalgam_fires_skipped_total{schedule=\"skips\"} ").await >= 2);
    assert_eq!(counter(&daemon, "amalgam_fires_skipped_total{schedule=\"waits\"} ").await, 0);
    // What is due from here on has not been looked at.
    let next = async |name: &str| {
        bench.text(&format!("select next_fire_at from amalgam.schedule where name = '{name}'")).await
    };
    let (skips_next, waits_next) = (next("skips").await, next("waits").await);
    drop((payment, patient));
    let fired = |name: &str, after: &str, before: &str| {
        format!(
            "select coalesce(string_agg(fire_at::text, ','), '') from amalgam.run where schedule = '{name}' and state = 'succeeded' \
             and fire_at > '{after}' and fire_at < '{before}'"
        )
    };
    until("both go on", || async {
        let far = "infinity";
        let (skips, waits) =
            (bench.text(&fired("skips", &skips, far)).await, bench.text(&fired("waits", &queued, far)).await);
        !skips.is_empty() && !waits.is_empty()
    })
    .await;
    assert_eq!(bench.text(&fired("skips", &skips, &skips_next)).await, "");
    assert_eq!(bench.text(&fired("waits", &waits, &waits_next)).await, queued);
    ended(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_schedule_is_started_by_nothing_and_goes_on_where_it_is_told_to() {
    let bench = practice("paused").await;
    let file = bench.files().join("go");
    let more = format!(
        "[[schedule]]\nname = \"goes\"\ncron = \"*/2 * * * * *\"\nselect = [\"patient\"]\n\n\
         [[schedule]]\nname = \"timed\"\ncron = \"* * * * * *\"\nselect = [\"patient\"]\n\n\
         [[schedule]]\nname = \"filed\"\nfile = \"{}\"\nselect = [\"patient\"]\n\n\
         [[schedule]]\nname = \"changed\"\non_change = true\nselect = [\"patient\"]\n\n\
         [[schedule]]\nname = \"follows\"\nafter = [\"goes\"]\nselect = [\"patient\"]\n",
        file.display()
    );
    let daemon = Daemon::start(&bench, &more).await;
    let looked = "select count(*) from amalgam.schedule where seen_file is not null or seen_change is not null";
    until_text(&bench, "schedules whose sign was looked at", looked, "2").await;
    let paused = ["timed", "filed", "changed", "follows"];
    for name in paused {
        assert_eq!(told(&bench, &more, &["schedules", "pause", name]).await.0, Some(0));
    }
    let runs = async |name: &str| -> i64 {
        let sql = format!("select count(*) from amalgam.run where schedule = '{name}' and state = 'succeeded'");
        bench.text(&sql).await.parse().expect("a number")
    };
    // A turn of the schedules that had begun before may still begin a run.
    let gone = runs("goes").await;
    until("a turn has passed", || async { runs("goes").await > gone + 1 }).await;
    let quiet = "select count(*) from amalgam.run where schedule <> 'goes' and state = 'running'";
    until_text(&bench, "their runs under way", quiet, "0").await;
    let counts = async || {
        let sql = "select coalesce(string_agg(schedule || ' ' || n, ', ' order by schedule), '') from \
                   (select schedule, count(*) as n from amalgam.run where schedule <> 'goes' group by 1) r";
        bench.text(sql).await
    };
    let (before, gone) = (counts().await, runs("goes").await);
    // What was asked for a moment before it was paused waits.
    let waiting = "select coalesce(string_agg(name || ' ' || queued_fire_at, ', '), '') from amalgam.schedule where queued_fire_at is not null";
    let waits = bench.text(waiting).await;
    let skipped = "amalgam_fires_skipped_total{schedule=\"timed\"} ";
    let left_out = counter(&daemon, skipped).await;
    let signs = "select string_agg(coalesce(seen_file, seen_change), ' ' order by name) from amalgam.schedule where name in ('filed', 'changed')";
    let signs = async || -> Vec<String> { bench.text(signs).await.split(' ').map(ToOwned::to_owned).collect() };
    let seen = signs().await;
    std::fs::write(&file, "1").expect("a file can be written");
    bench.source("insert into payment (PatNum, PayAmt) values (1, 50)").await;
    until("both are seen", || async { signs().await.iter().zip(&seen).all(|(now, before)| now != before) }).await;
    until("the one that it follows has ended twice", || async { runs("goes").await > gone + 1 }).await;
    until("its time has passed twice", || async { counter(&daemon, skipped).await > left_out + 1 }).await;
    assert_eq!(counts().await, before);
    assert_eq!(bench.text(waiting).await, waits);

    let filed = runs("filed").await;
    for name in paused {
        assert_eq!(told(&bench, &more, &["schedules", "resume", name]).await.0, Some(0));
    }
    for name in ["timed", "follows"] {
        let count = runs(name).await;
        until(&format!("{name} goes on"), || async { runs(name).await > count }).await;
    }
    assert_eq!(runs("filed").await, filed, "what was let go is not made up for");
    let changed = runs("changed").await;
    std::fs::write(&file, "and more").expect("a file can be written");
    bench.source("insert into payment (PatNum, PayAmt) values (1, 51)").await;
    until("the file starts a run", || async { runs("filed").await == filed + 1 }).await;
    until("the change starts a run", || async { runs("changed").await > changed }).await;
    ended(daemon).await;
}
