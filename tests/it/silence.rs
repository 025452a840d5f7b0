//! A warehouse that goes silent: packets vanish, and nobody says so.

use crate::{
    daemon::{Daemon, STOP_MAX},
    harness::{Bench, Servers, until},
    orchestrator::hold,
    proxy::{Fault, Proxy},
};
use amalgam::error::Kind;
use std::time::Instant;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

async fn posted(bench: &Bench, rows: usize) {
    bench.source("insert into patient (LName) values ('a name')").await;
    until(&format!("row {rows} arrives"), || async {
        bench.text("select to_regclass('raw.patient') is not null").await == "t"
            && bench.text("select count(*) from raw.patient").await == rows.to_string()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_warehouse_goes_silent_says_so_goes_on_later_and_stops_in_time() {
    let bench = Servers::fresh("silence").await;
    bench.source("create table patient (PatNum bigint primary key auto_increment, LName varchar(50))").await;
    let proxy = Proxy::before(bench.config().warehouse.port).await;
    let every_second = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let mut daemon = Daemon::start_as(&bench, every_second, |command| {
        command.args(["--set", &format!("warehouse.port={}", proxy.port())]);
    })
    .await;
    posted(&bench, 1).await;
    proxy.set(Fault::Silence(0));
    until("readiness says so", || async {
        let (status, body) = daemon.get("/readyz").await.expect("it answers");
        status == 503 && body.contains(Kind::WarehouseUnreachable.as_str())
    })
    .await;
    proxy.set(Fault::None);
    daemon.until_status("/readyz", 200).await;
    posted(&bench, 2).await;
    // It waits for an answer that vanishes, and is told to stop before it can know.
    let release = CancellationToken::new();
    let config = bench.config();
    let stopping = async {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'amalgam control' and wait_event_type = 'Lock' and query like '%from amalgam.schedule%'";
        until("a turn of the schedules waits", || async { bench.text(waiting).await != "0" }).await;
        proxy.set(Fault::Silence(0));
        release.cancel();
        daemon.signal("TERM");
        let began = Instant::now();
        let ended = timeout(STOP_MAX, daemon.child.wait()).await.expect("it ends in time");
        assert!(ended.expect("it ends").success(), "after {:?}", began.elapsed());
    };
    tokio::join!(hold(&config, "amalgam.schedule", release.clone()), stopping);
}
