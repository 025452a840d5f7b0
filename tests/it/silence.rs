//! A warehouse that goes silent: packets vanish, and nobody says so.

use crate::{
    daemon::{Daemon, STOP_MAX},
    harness::{Bench, Servers, until},
    proxy::{Fault, Proxy},
};
use amalgam::error::Kind;

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
    // It is told to stop before it can know.
    proxy.set(Fault::Silence(0));
    daemon.signal("TERM");
    let began = std::time::Instant::now();
    assert!(daemon.child.wait().await.expect("it ends").success());
    assert!(began.elapsed() < STOP_MAX, "it took {:?}", began.elapsed());
}
