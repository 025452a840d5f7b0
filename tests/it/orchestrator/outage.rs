//! A database that is down is left alone, and what waits for it goes on when it is back.

use super::{Daemon, Server};
use crate::harness::{Bench, start, until};

const TABLES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_dies_in_a_run_is_left_alone_and_costs_no_table_its_attempts() {
    let (mut mariadb, postgres) = tokio::task::spawn_blocking(|| {
        (start(Server::MariaDb, "outage-source"), start(Server::PostgreSql, "outage-warehouse"))
    })
    .await
    .expect("the servers start");
    let bench = Bench::on(&mariadb, &postgres).await;
    for n in 0..TABLES {
        bench
            .source(&format!("create table t{n} (id int primary key) engine=MyISAM; insert into t{n} values (1)"))
            .await;
    }
    // Or they would be marked as crashed afterwards.
    bench.source("flush tables").await;
    // Nobody reads any of them before the server dies.
    let locks = (0..TABLES).map(|n| format!("t{n} write")).collect::<Vec<_>>().join(", ");
    let mut holder = bench.at_source().await;
    mysql_async::prelude::Queryable::query_drop(&mut holder, format!("lock tables {locks}")).await.expect("it locks");
    let more = "[retry]\nattempts_max = 2\ndelay_milliseconds_initial = 20\ndelay_milliseconds_max = 50\n\n\
                [[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";
    let mut daemon = Daemon::start(&bench, more).await;
    daemon.until_status("/readyz", 200).await;
    let attempts = "select count(*) from amalgam.attempt";
    until("three tables are being read", || async { bench.text(attempts).await == "3" }).await;
    mariadb.kill().expect("it dies");
    drop(holder);
    let waits = |daemon: &mut Daemon| daemon.log().iter().filter(|l| l["message"] == "waits").count();
    until("tables wait", || {
        let found = waits(&mut daemon) >= 3;
        async move { found }
    })
    .await;
    // Left alone, it is asked by one at a time: some failures until then, and a trial after 5 s and 10 s more.
    let before: usize = bench.text(attempts).await.parse().expect("a number");
    assert!(before < TABLES, "{before}");
    mariadb.start_again().expect("it starts again");
    until("all is there", || async {
        bench.text("select count(*) from pg_tables where schemaname = 'raw'").await == TABLES.to_string()
    })
    .await;
    until("the run has ended", || async {
        bench.text("select state from amalgam.run order by run_id limit 1").await == "succeeded"
    })
    .await;
    assert_eq!(bench.text("select count(*) from amalgam.task where state = 'failed'").await, "0");
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
}
