//! A month of a daemon's life in minutes: its clock on the wall is moved by hand, and whatever a server room
//! does happens to it.
//!
//! The daemon is the built program; `libfaketime` shows it a wall clock that is set by the test, while its timers go
//! on as ever. Between the fires of two schedules something random happens: databases go away, die or
//! are slow, the daemon is killed, stopped, frozen or told to read its configuration again, the clock is wrong
//! for a while. `MONTH_SEED` is read from the environment; what happened is printed where an assertion fails. With
//! `MONTH_HARDER`, a second daemon stands by, and one that is frozen may be so until it is deposed.

use super::*;
use crate::proxy::{Fault, Proxy};
use amalgam::demo::servers::Server as Process;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::America::Chicago;
use std::{collections::BTreeSet, path::Path};

const SEED: u64 = 20_270_301;
/// The clocks of Chicago go forward on 14 March.
const FIRST_DAY: (i32, u32, u32) = (2027, 3, 1);
const DAYS: u64 = 31;
/// A clock that is wrong shows so many more.
const DAYS_AHEAD: u64 = 3;
/// Of a hundred fires, around so many something happens.
const FAULTS_IN_HUNDRED: u32 = 60;
/// Of a hundred faults, so many last until the next fire or longer.
const LASTING_IN_HUNDRED: u32 = 25;

const SCHEDULES: &str = "[[schedule]]\nname = \"through-the-day\"\ncron = \"0 */12 * * *\"\ntimezone = \"America/Chicago\"\n\
                         overlap = \"queue\"\n\n\
                         [[schedule]]\nname = \"nightly\"\ncron = \"30 2 * * *\"\ntimezone = \"America/Chicago\"\n\
                         overlap = \"queue\"\nreconcile = true\n\n";

/// Fails where another session builds the same model.
const WITNESSED: &str = r#"
select "PayNum" as payment_id, "PayAmt" as amount from {{ source('od', 'payment') }}
where 1 / case when pg_try_advisory_xact_lock(20270301) then 1 else 0 end = 1"#;

/// Notes each attempt that begins while another of the same table or model is under way. Not lost with the server,
/// which otherwise says that something is done before its log is written.
const WITNESS: &str = "
set synchronous_commit = on;
create table public.doubled (subject text);
create function public.witness() returns trigger language plpgsql as $$ begin
    insert into public.doubled
    select mine.subject from amalgam.task mine
    join amalgam.task other on (other.kind, other.subject) = (mine.kind, mine.subject) and other.task_id <> mine.task_id
    join amalgam.attempt a on a.task_id = other.task_id and a.state = 'running'
    where mine.task_id = new.task_id;
    return new;
end $$;
create trigger witness after insert on amalgam.attempt for each row execute function public.witness()";

/// When the schedules are to fire, by a walk through the days that shares nothing with the program.
fn fires(schedule: &str, days: u64) -> BTreeSet<DateTime<Utc>> {
    let (year, month, day) = FIRST_DAY;
    let first = NaiveDate::from_ymd_opt(year, month, day).expect("a date");
    let faces = |hours: &[(u32, u32)]| -> BTreeSet<DateTime<Utc>> {
        let days = (0..days).map(|n| first.checked_add_days(Days::new(n)).expect("a date"));
        let at = |day: NaiveDate, (hour, minute): (u32, u32)| {
            let face = day.and_time(NaiveTime::from_hms_opt(hour, minute, 0).expect("a time"));
            // What is left out on the day of the change comes when the gap ends.
            let shown = (0..).map(|n| Chicago.from_local_datetime(&(face + TimeDelta::minutes(n))).earliest());
            shown.flatten().next().expect("a gap ends").to_utc()
        };
        days.flat_map(|day| hours.iter().map(move |&hour| at(day, hour))).collect()
    };
    match schedule {
        "nightly" => faces(&[(2, 30)]),
        _ => faces(&[(0, 0), (12, 0)]),
    }
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    WarehouseAway(Fault),
    SourceAway(Fault),
    WarehouseDies,
    SourceDies,
    Killed,
    Stopped,
    Frozen,
    Reloaded,
    TableLocked,
    /// The clock shows so many hours too many for a while, or too few from now on.
    ClockAhead(i64),
    ClockBack(i64),
}

struct Month {
    bench: Bench,
    mariadb: Process,
    postgres: Process,
    to_source: Proxy,
    to_warehouse: Proxy,
    daemon: Daemon,
    standby: Option<Daemon>,
    now: DateTime<Utc>,
    /// The latest moment that the clock has shown.
    reached: DateTime<Utc>,
    /// Fires that no other could stand for: all before them was done, and the clock was right.
    alone: BTreeSet<DateTime<Utc>>,
    random: fastrand::Rng,
    /// Away until this is healed.
    lasting: bool,
    /// What happened, for whoever has to find out why.
    told: Vec<String>,
}

impl Month {
    async fn begin(seed: u64, now: DateTime<Utc>) -> Self {
        let (mariadb, postgres) = tokio::task::spawn_blocking(|| {
            (start(Server::MariaDb, "month-source"), start(Server::PostgreSql, "month-warehouse"))
        })
        .await
        .expect("the servers start");
        let bench = Bench::on(&mariadb, &postgres).await;
        bench.source(PRACTICE).await;
        write_project(&bench);
        std::fs::write(bench.files().join("project/models/stg_payment.sql"), WITNESSED).expect("it can be written");
        let (to_source, to_warehouse) = (Proxy::before(mariadb.port()).await, Proxy::before(postgres.port()).await);
        show(&bench, now);
        let daemon = started(&bench, &to_source, &to_warehouse, 3).await;
        let standby = match std::env::var_os("MONTH_HARDER") {
            Some(_) => Some(started(&bench, &to_source, &to_warehouse, 3).await),
            None => None,
        };
        let random = fastrand::Rng::with_seed(seed);
        let (told, alone, reached, lasting) = (Vec::new(), BTreeSet::new(), now, false);
        Self {
            bench,
            mariadb,
            postgres,
            to_source,
            to_warehouse,
            daemon,
            standby,
            now,
            reached,
            alone,
            random,
            lasting,
            told,
        }
    }

    fn set_clock(&mut self, now: DateTime<Utc>) {
        self.now = now;
        self.reached = self.reached.max(now);
        show(&self.bench, now);
    }

    /// Either of two daemons may be struck.
    fn draw_daemon(&mut self) {
        if let Some(standby) = &mut self.standby
            && self.random.bool()
        {
            std::mem::swap(&mut self.daemon, standby);
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.random.u64(0..900))).await;
    }

    async fn restart(&mut self) {
        self.daemon = started(&self.bench, &self.to_source, &self.to_warehouse, self.random.u32(1..4)).await;
    }

    fn any_event(&mut self) -> Event {
        let fault = match self.random.u32(0..4) {
            0 => Fault::Refuse,
            1 => Fault::Reset(self.random.u64(0..20_000)),
            2 => Fault::Delay(Duration::from_millis(self.random.u64(1..40))),
            _ => Fault::Close(self.random.u64(0..20_000)),
        };
        match self.random.u32(0..11) {
            0 => Event::WarehouseAway(fault),
            1 => Event::SourceAway(fault),
            2 => Event::WarehouseDies,
            3 => Event::SourceDies,
            4 => Event::Killed,
            5 => Event::Stopped,
            6 => Event::Frozen,
            7 => Event::Reloaded,
            8 => Event::TableLocked,
            9 => Event::ClockAhead(self.random.i64(1..30)),
            _ => Event::ClockBack(self.random.i64(1..10)),
        }
    }

    async fn happens(&mut self, event: Event) {
        self.told.push(format!("{}: {event:?}", self.now));
        self.draw_daemon();
        match event {
            Event::WarehouseAway(fault) => self.to_warehouse.set(fault),
            Event::SourceAway(fault) => self.to_source.set(fault),
            Event::WarehouseDies => {
                self.postgres.kill().expect("it can be killed");
                self.pause().await;
                self.postgres.start_again().expect("it starts");
            }
            Event::SourceDies => {
                self.mariadb.kill().expect("it can be killed");
                self.pause().await;
                self.mariadb.start_again().expect("it starts");
                // A person's work, as the error's remedy has it.
                self.bench.source("repair table patient, payment").await;
            }
            Event::Killed => {
                self.daemon.child.kill().await.expect("it can be killed");
                self.restart().await;
            }
            Event::Stopped => {
                self.daemon.signal("TERM");
                let ended = tokio::time::timeout(STOP_MAX, self.daemon.child.wait()).await;
                assert!(ended.expect("it ends in time").expect("it ends").success(), "{:#?}", self.told);
                self.restart().await;
            }
            Event::Frozen => {
                self.daemon.signal("STOP");
                // One that stands by takes over after nine seconds.
                let milliseconds_max = if self.standby.is_some() { 14_000 } else { 900 };
                tokio::time::sleep(Duration::from_millis(self.random.u64(0..milliseconds_max))).await;
                self.daemon.signal("CONT");
            }
            Event::Reloaded => {
                match self.random.u32(0..3) {
                    // A good one comes later, or never.
                    0 => drop(self.bench.amalgam_with("[sync]\nparallel_tabels = 3\n")),
                    _ => configure(&self.bench, self.random.u32(1..4)),
                }
                self.daemon.signal("HUP");
            }
            Event::TableLocked => {
                let locked = self.bench.lock_source("payment").await;
                self.pause().await;
                drop(locked);
            }
            Event::ClockAhead(hours) => {
                let right = self.now;
                self.set_clock(right + TimeDelta::hours(hours));
                // Two turns of the schedules or none.
                tokio::time::sleep(Duration::from_millis(self.random.u64(0..2_500))).await;
                self.set_clock(right);
            }
            Event::ClockBack(hours) => self.set_clock(self.now - TimeDelta::hours(hours)),
        }
    }

    fn heal(&mut self) {
        self.to_source.set(Fault::None);
        self.to_warehouse.set(Fault::None);
        self.lasting = false;
    }

    /// Waits until all that is due by the clock has been done.
    async fn settled(&mut self) {
        let sql = format!(
            "select (select count(*) from amalgam.run where state = 'running') = 0 \
             and (select count(*) from amalgam.schedule) = 2 \
             and not exists (select from amalgam.schedule where next_fire_at <= '{}' or queued_fire_at is not null)",
            self.now.to_rfc3339()
        );
        let began = std::time::Instant::now();
        while self.bench.text(&sql).await != "t" {
            if began.elapsed() > Duration::from_secs(90) {
                let left = "select row_to_json(s)::text from amalgam.schedule s union all \
                            select row_to_json(r)::text from amalgam.run r where state = 'running'";
                let (left, log) = (self.bench.texts(left).await, self.daemon.log().to_vec());
                let log: Vec<String> = log.iter().rev().take(40).rev().map(ToString::to_string).collect();
                panic!("not settled at {}: {left:#?}\n{:#?}\n{}", self.now, self.told, log.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The clerks at the front desk.
    async fn work(&mut self) {
        let patient = self.random.u32(1..3);
        let sql = match self.random.u32(0..4) {
            0 => format!("delete from payment where PatNum = {patient} order by PayNum limit 1"),
            1 => format!("update payment set PayAmt = PayAmt + 1 where PatNum = {patient}"),
            _ => format!("insert into payment (PatNum, PayAmt) values ({patient}, {})", self.random.u32(1..900)),
        };
        self.bench.source(&sql).await;
    }
}

/// Debian's package `libfaketime`.
fn faketime() -> String {
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    assert!(Path::new(&library).exists(), "{library} is missing; remedy: scripts/prerequisites");
    library
}

/// Lets a daemon's wall clock be what is shown.
pub(super) fn by_shown_clock(bench: &Bench, command: &mut tokio::process::Command) {
    command
        .env("LD_PRELOAD", faketime())
        .env("TZ", "UTC")
        .env("FAKETIME_TIMESTAMP_FILE", bench.files().join("clock"))
        .envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
}

/// What the daemon's wall clock shows now; from there it goes on. Renamed into place: half a time is none.
pub(super) fn show(bench: &Bench, now: DateTime<Utc>) {
    let (new, file) = (bench.files().join("clock.new"), bench.files().join("clock"));
    let ahead = now - Clock::system().now();
    std::fs::write(&new, format!("{:+}\n", ahead.num_seconds())).expect("it can be written");
    std::fs::rename(new, file).expect("it can be renamed");
}

fn configured(bench: &Bench, lanes: u32) -> String {
    format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n\n[sync]\nparallel_tables = {lanes}\n\n[runs]\ntasks_max = {}\n\n{}{SCHEDULES}",
        lanes + 1,
        models_section(bench)
    )
}

/// Writes the configuration.
fn configure(bench: &Bench, lanes: u32) {
    let _ = bench.amalgam_with(&configured(bench, lanes));
}

async fn started(bench: &Bench, to_source: &Proxy, to_warehouse: &Proxy, lanes: u32) -> Daemon {
    let mut command = bench.amalgam_with(&configured(bench, lanes));
    command
        .args(["--log-format", "json", "--log-filter", "info"])
        .arg(format!("--set=source.port={}", to_source.port()))
        .arg(format!("--set=warehouse.port={}", to_warehouse.port()))
        .arg("serve");
    by_shown_clock(bench, &mut command);
    Daemon::started(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_outages_crashes_wrong_clocks_and_reloads_loses_no_fire_and_heals() {
    let seed = std::env::var("MONTH_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    let schedules = ["through-the-day", "nightly"];
    let due: BTreeSet<DateTime<Utc>> = schedules.iter().flat_map(|s| fires(s, DAYS)).collect();
    let (first, last) = (*due.first().expect("it fires"), *due.last().expect("it fires"));
    let mut month = Month::begin(seed, first - TimeDelta::minutes(10)).await;
    month.told.push(format!("MONTH_SEED={seed}"));
    month.daemon.until_status("/readyz", 200).await;
    month.bench.warehouse(WITNESS).await;
    while let Some(next) = due.range(month.now + TimeDelta::seconds(1)..).next().copied() {
        if !month.lasting {
            month.work().await;
        }
        let event = (month.random.u32(0..100) < FAULTS_IN_HUNDRED).then(|| month.any_event());
        let is_clock = matches!(event, Some(Event::ClockAhead(_) | Event::ClockBack(_)));
        if !month.lasting && !is_clock && next > month.reached {
            month.alone.insert(next);
        }
        // Before the fire, or in the run that it begins.
        let before = month.random.bool();
        if before && let Some(event) = event {
            month.happens(event).await;
        }
        if month.now < next {
            month.set_clock(month.now.max(next));
        }
        if !before && let Some(event) = event {
            tokio::time::sleep(Duration::from_millis(month.random.u64(0..1500))).await;
            month.happens(event).await;
        }
        if matches!(event, Some(Event::WarehouseAway(_) | Event::SourceAway(_))) {
            month.pause().await;
            month.lasting = month.random.u32(0..100) < LASTING_IN_HUNDRED;
        }
        if !month.lasting || month.random.bool() {
            month.heal();
            month.settled().await;
        }
    }
    month.heal();
    // All that was left is done by a last run, in which nothing happens.
    month.set_clock(last + TimeDelta::hours(4));
    month.settled().await;
    holds(&mut month, &schedules).await;
}

/// What has to be true of a month that is over.
async fn holds(month: &mut Month, schedules: &[&str]) {
    let told = month.told.join("\n");
    let bench = &month.bench;
    for schedule in schedules {
        let sql = format!("select fire_at, started_at from amalgam.run where schedule = '{schedule}'");
        let moment = |text: &Option<String>| -> DateTime<Utc> {
            let text = text.as_deref().expect("it has one");
            DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").expect("a time").to_utc()
        };
        let rows = bench.texts(&sql).await;
        let runs: Vec<_> = rows.iter().map(|row| (moment(&row[0]), moment(&row[1]))).collect();
        let due = fires(schedule, DAYS);
        for fire in &due {
            let done = runs.iter().any(|(at, began)| at <= fire && began >= fire);
            assert!(done, "the fire of {schedule} at {fire} was lost\n{told}");
        }
        // That one fire has two runs, the schema itself refuses; a fire beside the timetable would be the double.
        let all = fires(schedule, DAYS + DAYS_AHEAD);
        for (fire, _) in &runs {
            assert!(all.contains(fire), "{schedule} was not to fire at {fire}\n{told}");
        }
        let alone: Vec<_> = due.intersection(&month.alone).collect();
        assert!(alone.len() > 5, "too few fires of {schedule} stood alone\n{told}");
        for fire in alone {
            assert!(runs.iter().any(|(at, _)| at == fire), "{schedule} has no run of its own for {fire}\n{told}");
        }
    }
    let none = [
        ("a run that has not ended", "select count(*) from amalgam.run where state = 'running'"),
        ("a task that has not ended", "select count(*) from amalgam.attempt where state = 'running'"),
        ("an attempt beside another of the same subject", "select count(*) from public.doubled"),
        (
            "a model that was built twice at the same time",
            "select count(*) from amalgam.attempt where error_kind = 'model_sql'",
        ),
        ("something that still fails", "select count(*) from amalgam.subject where failing_since is not null"),
    ];
    for (what, sql) in none {
        assert_eq!(bench.text(sql).await, "0", "{what}\n{told}");
    }
    let wanted = bench.source_texts("select cast(sum(PayAmt) as decimal(20,1)) from payment").await;
    let mart = relation(bench, "collections").await;
    let built = bench.text(&format!("select total::numeric(20, 1) from {mart}")).await;
    assert_eq!(Some(built), wanted[0][0].clone(), "the mart is not what the source says\n{told}");
    let verified = bench.amalgam_with(&models_section(bench)).arg("verify").output().await.expect("it ends");
    assert!(verified.status.success(), "{}\n{told}", String::from_utf8_lossy(&verified.stdout));
    for daemon in [Some(&mut month.daemon), month.standby.as_mut()].into_iter().flatten() {
        daemon.signal("TERM");
        assert!(daemon.child.wait().await.expect("it ends").success());
    }
}
