//! Two that would write: one leads, the other waits, and whoever comes back too late is refused.

use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, until, until_within},
    proxy::{Fault, Proxy},
};
use amalgam::{
    domain::{Clock, Fence, ScheduleName, TaskId},
    error::Kind,
    state::{Acquired, Fire, State},
    warehouse::Warehouse,
};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// By then another has taken over from a leader that died or was stopped.
const TAKEOVER_MAX: Duration = Duration::from_secs(15);

const OFTEN: &str = "[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";

struct Party {
    state: State,
    warehouse: Warehouse,
    fence: Fence,
}

impl Party {
    fn new(bench: &Bench) -> Self {
        let (config, fence) = (bench.config().warehouse, Fence::default());
        Self {
            state: State::new(&config).fenced(fence.clone()),
            warehouse: Warehouse::new(&config).expect("a pool needs no server").fenced(fence.clone()),
            fence,
        }
    }

    async fn lead(&self, name: &str) -> Acquired {
        self.state.acquire(name, now()).await.expect("the server answers")
    }
}

fn now() -> DateTime<Utc> {
    Clock::system().now()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_for_an_earlier_reign_is_refused_and_what_was_under_way_has_no_effect() {
    let bench = Servers::fresh("reigns").await;
    let (first, second) = (Party::new(&bench), Party::new(&bench));
    first.state.migrate().await.expect("migrations run");
    bench.warehouse("create table written (by text)").await;
    let Acquired::Held(lease) = first.lead("the first").await else { panic!("nobody else asks") };
    assert_eq!(first.fence.epoch(), Some(lease.epoch()));
    let mut session = first.warehouse.session().await.expect("the server answers");
    let under_way = session.begin().await.expect("it leads");
    under_way.batch("insert into written values ('the first')", "writing").await.expect("it may");
    bench
        .warehouse(
            "insert into amalgam.run (trigger, request, started_at) values ('manual', '{}', now()); \
             insert into amalgam.task (run_id, kind, subject) values (1, 'sync', 'begun'), (1, 'sync', 'waits')",
        )
        .await;
    let (begun, waits) = (TaskId(1), TaskId(2));
    assert_eq!(first.state.begin_attempt(begun, now()).await.expect("it leads"), Some(1));
    lease.release().await;

    let Acquired::Held(_lease) = second.lead("the second").await else { panic!("it was given up") };
    assert!(under_way.commit().await.is_err());
    drop(session);
    let mut session = first.warehouse.session().await.expect("the server answers");
    assert_eq!(session.begin().await.err().map(|e| e.kind), Some(Kind::WriterLost));
    let fire = first.state.put_schedule(&ScheduleName::new("late"), "* * * * *", "UTC", &[], None).await;
    assert_eq!(fire.err().map(|e| e.kind), Some(Kind::WriterLost));
    let fire = first.state.fire(&ScheduleName::new("late"), now(), None, &Fire::Leave).await;
    assert_eq!(fire.err().map(|e| e.kind), Some(Kind::WriterLost));
    let beginning = first.state.begin_attempt(waits, now()).await;
    assert_eq!(beginning.err().map(|e| e.kind), Some(Kind::WriterLost));
    let end = first.state.succeed(begun, 1, false, &serde_json::json!({}), now()).await;
    assert_eq!(end.err().map(|e| e.kind), Some(Kind::WriterLost));
    let states = "select string_agg(state, ',' order by task_id) from amalgam.task";
    assert_eq!(bench.text(states).await, "running,pending");

    let mut session = second.warehouse.session().await.expect("the server answers");
    let leads = session.begin().await.expect("it leads");
    leads.batch("insert into written values ('the second')", "writing").await.expect("it may");
    leads.commit().await.expect("it leads");
    assert_eq!(bench.text("select string_agg(by, ',') from written").await, "the second");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_again_after_a_moment_keeps_what_is_under_way() {
    let bench = Servers::fresh("moment").await;
    let party = Party::new(&bench);
    party.state.migrate().await.expect("migrations run");
    bench.warehouse("create table written (by text)").await;
    let Acquired::Held(lease) = party.lead("the same").await else { panic!("nobody else asks") };
    let mut session = party.warehouse.session().await.expect("the server answers");
    let under_way = session.begin().await.expect("it leads");
    lease.release().await;
    let Acquired::Held(again) = party.lead("the same").await else { panic!("it was given up") };
    assert!(again.was_mine());
    under_way.batch("insert into written values ('it')", "writing").await.expect("it may");
    under_way.commit().await.expect("nobody else led in between");
    assert_eq!(bench.text("select string_agg(by, ',') from written").await, "it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_that_gives_no_sign_of_life_is_not_deposed() {
    let bench = Servers::fresh("older").await;
    let (older, newer) = (Party::new(&bench), Party::new(&bench));
    older.state.migrate().await.expect("migrations run");
    let Acquired::Held(_lease) = older.lead("an older program").await else { panic!("nobody else asks") };
    // As one leaves it that counts its reigns and knows of no signs: the last was given in the reign before.
    bench.warehouse("update amalgam.writer set epoch = epoch + 1, renewed_at = now() - interval '1 day'").await;
    assert!(matches!(newer.lead("a newer one").await, Acquired::By(who) if who.starts_with("an older program")));
    bench.warehouse("update amalgam.writer set renewed_epoch = epoch").await;
    assert!(matches!(newer.lead("a newer one").await, Acquired::Held(_)));
}

async fn is_writer(daemon: &Daemon) -> bool {
    daemon.get("/metrics").await.is_some_and(|(_, metrics)| metrics.contains("\namalgam_writer 1\n"))
}

/// A reign of either counts the seconds alike. (That one moment has two runs, the schema itself refuses.)
async fn fires_off_the_timetable(bench: &Bench) -> String {
    let off = "fire_at <> date_bin('2 seconds', fire_at, 'epoch') or started_at < fire_at";
    bench.text(&format!("select count(*) from amalgam.run where {off}")).await
}

async fn until_rows(bench: &Bench, rows: &str) {
    until(&format!("{rows} rows are there"), || async { bench.text("select count(*) from raw.item").await == rows })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_stopped_is_deposed_and_writes_nothing_when_it_goes_on() {
    let bench = Servers::fresh("zombie").await;
    bench.source("create table item (id int primary key, v int) engine=MyISAM; insert into item values (1, 1)").await;
    let mut first = Daemon::start(&bench, OFTEN).await;
    until("the first leads", || is_writer(&first)).await;
    until("it has loaded", || async { bench.text("select to_regclass('raw.item') is not null").await == "t" }).await;
    let second = Daemon::start(&bench, OFTEN).await;
    second.until_status("/readyz", 200).await;

    // It is stopped in the middle of writing: its transaction waits for the table.
    let (client, _connection) = bench.client().await;
    client.batch_execute("begin; lock table raw.item in share mode").await.expect("it can be locked");
    bench.source("insert into item values (2, 2)").await;
    let waits = "select count(*) from pg_locks where not granted and relation = 'raw.item'::regclass";
    until("the first waits for the table", || async { bench.text(waits).await != "0" }).await;
    first.signal("STOP");
    client.batch_execute("commit").await.expect("it lets go");
    until_within(TAKEOVER_MAX, "the second leads", || is_writer(&second)).await;
    until_rows(&bench, "2").await;
    bench.source("insert into item values (3, 3); update item set v = 10 where id = 2").await;
    until_rows(&bench, "3").await;

    // It goes on, and finds itself deposed.
    let attempts = "select count(*) from amalgam.attempt where state = 'running' and ended_at is null";
    first.signal("CONT");
    until("the first knows", || async {
        first.get("/metrics").await.is_some_and(|(_, m)| m.contains("\namalgam_writer 0\n"))
    })
    .await;
    bench.source("delete from item where id = 1").await;
    until_rows(&bench, "2").await;
    assert!(is_writer(&second).await && !is_writer(&first).await);
    assert_eq!(bench.text("select string_agg(id || ':' || v, ',' order by id) from raw.item").await, "2:10,3:3");
    assert_eq!(fires_off_the_timetable(&bench).await, "0");
    let failed = "select count(*) from amalgam.attempt where state = 'failed'";
    assert_eq!(bench.text(failed).await, "0");
    // One at a time, and none left over from the first.
    until("nothing is left", || async { bench.text(attempts).await == "0" }).await;
    // It takes over where the other dies, as if nothing had been.
    let mut second = second;
    second.signal("KILL");
    second.child.wait().await.expect("it ends");
    until_within(TAKEOVER_MAX, "the first leads again", || is_writer(&first)).await;
    bench.source("insert into item values (4, 4)").await;
    until_rows(&bench, "3").await;
    first.signal("TERM");
    assert!(first.child.wait().await.expect("it ends").success());
}

/// Notes which connection writes what, and when.
const WITNESS: &str = "
create table public.written (port int, what text, at timestamptz default clock_timestamp());
create function public.witness() returns trigger language plpgsql as $$ begin
    insert into public.written values (inet_client_port(), tg_table_name);
    return null;
end $$;
create trigger witness after insert or update or delete on amalgam.run for each statement execute function public.witness();
create trigger witness after insert or update or delete on amalgam.task for each statement execute function public.witness();
create trigger witness after insert or update or delete on amalgam.attempt for each statement execute function public.witness();
create trigger witness after insert or update or delete on amalgam.schedule for each statement execute function public.witness();
create trigger witness after insert or update or delete on amalgam.table_state for each statement execute function public.witness()";

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_lost_its_network_is_deposed_and_writes_nothing_when_it_is_back() {
    let bench = Servers::fresh("silent_leader").await;
    bench.source("create table item (id int primary key, v int) engine=MyISAM; insert into item values (1, 1)").await;
    let way = Proxy::before(bench.config().warehouse.port).await;
    let mut first = Daemon::start_as(&bench, OFTEN, |command| {
        command.args(["--set", &format!("warehouse.port={}", way.port())]);
    })
    .await;
    until("the first leads", || is_writer(&first)).await;
    until("it has loaded", || async { bench.text("select to_regclass('raw.item') is not null").await == "t" }).await;
    bench.warehouse(WITNESS).await;
    let mut second = Daemon::start(&bench, OFTEN).await;
    second.until_status("/readyz", 200).await;
    // What came by the way of the first, from a moment on.
    let written = async |since: &str| {
        let ports: Vec<String> = way.towards().iter().map(ToString::to_string).collect();
        let ports = ports.join(",");
        let sql = format!("select count(*) from public.written where port in ({ports}) and at > '{since}'");
        bench.text(&sql).await
    };
    until("the witness sees the first write", || async { written("-infinity").await != "0" }).await;

    // Its network is gone in the middle of writing: its transaction waits for the table, and stays open.
    let (client, _connection) = bench.client().await;
    client.batch_execute("begin; lock table raw.item in share mode").await.expect("it can be locked");
    bench.source("insert into item values (2, 2)").await;
    let waits = "select count(*) from pg_locks where not granted and relation = 'raw.item'::regclass";
    until("the first waits for the table", || async { bench.text(waits).await != "0" }).await;
    way.set(Fault::Silence(0));
    client.batch_execute("commit").await.expect("it lets go");
    until_within(TAKEOVER_MAX, "the second leads", || is_writer(&second)).await;
    let taken_over = bench.text("select clock_timestamp()").await;
    until_rows(&bench, "2").await;
    bench.source("insert into item values (3, 3); update item set v = 10 where id = 2").await;
    until_rows(&bench, "3").await;

    // It is back, and finds itself deposed.
    way.set(Fault::None);
    first.until_status("/readyz", 200).await;
    until("the first knows", || async {
        first.get("/metrics").await.is_some_and(|(_, metrics)| metrics.contains("\namalgam_writer 0\n"))
    })
    .await;
    bench.source("delete from item where id = 1").await;
    until_rows(&bench, "2").await;
    assert!(is_writer(&second).await && !is_writer(&first).await);
    assert_eq!(written(&taken_over).await, "0");
    assert_eq!(bench.text("select string_agg(id || ':' || v, ',' order by id) from raw.item").await, "2:10,3:3");
    assert_eq!(fires_off_the_timetable(&bench).await, "0");
    assert_eq!(bench.text("select count(*) from amalgam.attempt where state = 'failed'").await, "0");

    // It takes over where the other dies, and is seen to write.
    second.signal("KILL");
    second.child.wait().await.expect("it ends");
    until_within(TAKEOVER_MAX, "the first leads again", || is_writer(&first)).await;
    bench.source("insert into item values (4, 4)").await;
    until_rows(&bench, "3").await;
    assert_ne!(written(&taken_over).await, "0");
    first.signal("TERM");
    assert!(first.child.wait().await.expect("it ends").success());
}
