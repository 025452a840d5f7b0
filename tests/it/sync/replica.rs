//! A replica that is read in the source's place, and whatever keeps it from being right.

use super::{RECONCILE, STAMPED, assert_equal, in_mode, sync};
use crate::{
    harness::{self, Bench, Servers, connect_source, run_at_source, sessions_at, source_texts_at, start_with, until},
    proxy::{Fault, Proxy},
};
use amalgam::{
    config::Config,
    demo::servers::{Kind, Server},
    domain::{Clock, SyncMode, TableName},
    sync::{Action, SyncOptions, Syncer},
    telemetry::Metrics,
};
use mysql_async::prelude::Queryable;
use std::sync::Arc;

const BY_GTID: &str = "master_use_gtid = slave_pos";
const BY_FILE: &str = "master_use_gtid = no";

/// A primary, its replica, and a warehouse.
struct Pair {
    primary: Server,
    replica: Server,
    bench: Bench,
}

impl Pair {
    async fn new(name: &str, follows: &str) -> Self {
        let flags = ["--log-bin=binlog", "--server-id=1", "--binlog-format=MIXED"];
        let primary = start_with(Kind::MariaDb, "primary", &flags);
        let replica = start_with(Kind::MariaDb, "replica", &["--server-id=2", "--slave-net-timeout=5"]);
        let pair = Self { bench: Servers::fresh_at(name, &primary).await, primary, replica };
        pair.at_replica(&format!(
            "change master to master_host = '127.0.0.1', master_port = {}, master_user = 'reader', \
             master_connect_retry = 1, {follows}; start slave; grant slave monitor on *.* to reader@'%'",
            pair.primary.port()
        ))
        .await;
        pair.caught_up().await;
        pair
    }

    async fn at_replica(&self, sql: &str) {
        run_at_source(self.replica.port(), None, sql).await;
    }

    /// Waits until the replica has all that the primary has.
    async fn caught_up(&self) {
        let logged = self.bench.source_texts("select @@gtid_binlog_pos").await;
        let applied = || async {
            let applied = source_texts_at(self.replica.port(), "mysql", "select @@gtid_slave_pos").await;
            applied == logged
        };
        until("the replica has caught up", applied).await;
    }

    fn config(&self) -> Config {
        let mut config = self.bench.config();
        config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
        config.source.replica.host = Some("127.0.0.1".to_owned());
        config.source.replica.port = Some(self.replica.port());
        config
    }

    async fn syncer(&self) -> Syncer {
        syncer(self.config()).await
    }

    /// One that knows nothing of the replica.
    async fn alone(&self) -> Syncer {
        let mut config = self.config();
        config.source.replica = amalgam::config::Replica::default();
        syncer(config).await
    }

    /// Where table `t` was last read.
    async fn read_from(&self) -> String {
        let sql = "select coalesce(source_server, 'primary') from amalgam.table_state where source_table = 't'";
        let server = self.bench.text(sql).await;
        if server == format!("127.0.0.1:{}", self.replica.port()) { "replica".to_owned() } else { server }
    }

    async fn rows(&self) -> String {
        self.bench.text("select string_agg(k || '=' || v, ' ' order by k) from raw.t").await
    }
}

async fn syncer(config: Config) -> Syncer {
    syncer_with(config, &Arc::default()).await
}

async fn syncer_with(config: Config, metrics: &Arc<Metrics>) -> Syncer {
    harness::syncer(config, &Clock::system(), metrics).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_keeps_up_is_read_and_the_primary_gives_no_row() {
    let pair = Pair::new("keeps_up", BY_GTID).await;
    // At the primary this user sees none of the tables that are read.
    let name = pair.bench.database();
    pair.bench
        .source(&format!(
            "{STAMPED} insert into t (k, v) values (1, 1), (2, 2); create table unread (x int); \
             create user watcher@'%'; grant process on *.* to watcher@'%'; grant select on `{name}`.unread to watcher@'%'"
        ))
        .await;
    pair.caught_up().await;
    let mut config = pair.config();
    config.source.user = "watcher".to_owned();
    config.source.replica.user = Some("reader".to_owned());
    let metrics = Arc::new(Metrics::default());
    let syncer = syncer_with(config, &metrics).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    pair.bench.source("update t set v = 20 where k = 2; insert into t (k, v) values (3, 3);").await;
    // The barrier alone sees to it that the edit is found at once.
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_updated), (Action::Delta, 1, 1));
    assert_eq!(pair.read_from().await, "replica");
    assert_equal(&syncer, 3).await;
    assert_equal(&pair.alone().await, 3).await;
    let text = metrics.text();
    assert!(
        text.contains(&format!("amalgam_source_replica_in_use{{replica=\"127.0.0.1:{}\"}} 1", pair.replica.port()))
    );
    assert!(text.contains("amalgam_source_replica_lag_seconds{"), "{text}");
    // What is unchanged there is skipped by what the replica says of it.
    let skips = || async { sync(&syncer, SyncOptions::default()).await.action == Action::Skip };
    until("the table is skipped", skips).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_stopped_is_not_read_until_it_has_what_the_warehouse_has() {
    let pair = Pair::new("stopped", BY_GTID).await;
    pair.bench.source(&format!("{STAMPED} insert into t (k, v) values (1, 1), (2, 2);")).await;
    let syncer = pair.syncer().await;
    sync(&syncer, SyncOptions::default()).await;
    assert_eq!(pair.read_from().await, "replica");
    pair.at_replica("stop slave sql_thread").await;
    pair.bench
        .source("update t set v = 20 where k = 2; insert into t (k, v) values (3, 3); delete from t where k = 1;")
        .await;
    sync(&syncer, SyncOptions::default()).await;
    assert_eq!((pair.read_from().await, pair.rows().await), ("primary".to_owned(), "2=20 3=3".to_owned()));
    // Another process doesn't know what this one has seen.
    let later = pair.syncer().await;
    sync(&later, RECONCILE).await;
    assert_eq!((pair.read_from().await, pair.rows().await), ("primary".to_owned(), "2=20 3=3".to_owned()));
    pair.at_replica("start slave sql_thread").await;
    let returns = || async {
        sync(&later, RECONCILE).await;
        assert_eq!(pair.rows().await, "2=20 3=3", "it went back");
        pair.read_from().await == "replica"
    };
    until("the replica is read again", returns).await;
    assert_equal(&pair.alone().await, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_runs_and_is_behind_is_told_by_its_position() {
    let pair = Pair::new("behind", BY_GTID).await;
    pair.bench
        .source(&format!("{STAMPED} create table u (x int) engine=MyISAM; insert into t (k, v) values (1, 1);"))
        .await;
    pair.caught_up().await;
    let mut config = pair.config();
    config.source.replica.lag_seconds_max = 2;
    let syncer = syncer(config).await;
    sync(&syncer, SyncOptions::default()).await;
    assert_eq!(pair.read_from().await, "replica");
    // Its threads run and wait for this lock; table t can be read all the while.
    let mut holds = connect_source(pair.replica.port(), Some(pair.bench.database())).await;
    holds.query_drop("lock tables u write").await.expect("the table is there");
    pair.bench.source("insert into u values (1); update t set v = 10; insert into t (k, v) values (2, 2);").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_eq!((pair.read_from().await, pair.rows().await), ("primary".to_owned(), "1=10 2=2".to_owned()));
    sync(&syncer, RECONCILE).await;
    assert_eq!(pair.rows().await, "1=10 2=2");
    holds.query_drop("unlock tables").await.expect("they are ours");
    pair.caught_up().await;
    pair.bench.source("delete from t where k = 1; update t set v = 20 where k = 2;").await;
    let returns = || async {
        sync(&syncer, SyncOptions::default()).await;
        pair.read_from().await == "replica"
    };
    until("the replica is read again", returns).await;
    assert_equal(&pair.alone().await, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_was_long_serves_no_table_that_has_more_since() {
    let pair = Pair::new("shared", BY_GTID).await;
    pair.bench
        .source(&format!(
            "{STAMPED} create table u (x int primary key) engine=MyISAM; insert into t (k, v) values (1, 1);"
        ))
        .await;
    pair.caught_up().await;
    let mut config = pair.config();
    config.source.replica.lag_seconds_max = 8;
    let first = syncer(config.clone()).await;
    let mut holds = connect_source(pair.replica.port(), Some(pair.bench.database())).await;
    holds.query_drop("lock tables u write").await.expect("the table is there");
    pair.bench.source("insert into u values (1)").await;
    let release = async {
        let asks = "info like '%master_gtid_wait%' and time_ms > 1500";
        let waits = async || sessions_at(pair.replica.port(), pair.bench.database(), asks).await.len() == 1;
        until("the sync waits for a while", waits).await;
        holds.query_drop("unlock tables").await.expect("they are ours");
    };
    tokio::join!(sync(&first, SyncOptions::default()), release);
    assert_eq!(pair.read_from().await, "replica");
    // The replica falls behind; another process, which can't reach it, goes on at the primary.
    holds.query_drop("lock tables u write").await.expect("the table is there");
    pair.bench.source("insert into u values (2); insert into t (k, v) values (2, 2);").await;
    config.source.replica.port = Some(1);
    sync(&syncer(config).await, SyncOptions::default()).await;
    assert_ne!(pair.bench.text("select source_position from amalgam.table_state").await, "");
    assert_eq!((pair.read_from().await, pair.rows().await), ("primary".to_owned(), "1=1 2=2".to_owned()));
    sync(&first, RECONCILE).await;
    assert_eq!((pair.read_from().await, pair.rows().await), ("primary".to_owned(), "1=1 2=2".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_loses_its_replica_goes_on_at_the_primary() {
    let pair = Pair::new("loses", BY_GTID).await;
    pair.bench
        .source(
            "create table t (k int primary key, v varchar(200), s timestamp not null default current_timestamp on update current_timestamp) \
             engine=MyISAM; insert into t select seq, repeat('x', 150), '2020-01-01' from seq_1_to_5000;",
        )
        .await;
    pair.caught_up().await;
    let proxy = Proxy::before(pair.replica.port()).await;
    let mut config = pair.config();
    config.source.replica.port = Some(proxy.port());
    config.source.range_rows = 100;
    (config.sync.batch_bytes_max, config.sync.load_part_bytes) = (10_000, 50_000);
    let syncer = syncer(config).await;
    proxy.set(Fault::Close(400_000));
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 5000));
    assert_eq!(pair.read_from().await, "primary");
    proxy.set(Fault::None);
    pair.bench.source("update t set v = 'told' where k = 7; delete from t where k = 9;").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&pair.alone().await, 4999).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_long_statement_at_the_primary_writes_is_not_behind_the_watermark_when_it_arrives() {
    let pair = Pair::new("late", BY_GTID).await;
    pair.bench.source(&format!("{STAMPED} insert into t (k, v) values (1, 1);")).await;
    let mut config = pair.config();
    config.sync.overlap_seconds = 0;
    let syncer = syncer(config).await;
    sync(&syncer, SyncOptions::default()).await;
    let mut desk = pair.bench.at_source().await;
    let mut writes = tokio::task::JoinSet::new();
    writes.spawn(async move {
        desk.query_drop("set session binlog_format = row").await.expect("root may");
        // Stamped when it begins, and logged when it ends.
        desk.query_drop("insert into t (k, v) select 2, sleep(6)").await.expect("the row fits");
    });
    let writing = "info like 'insert into t%' and time_ms > 3500";
    pair.bench.until_session("the statement runs for a while", writing).await;
    let outcome = sync(&syncer, RECONCILE).await;
    assert_eq!((outcome.rows_inserted, pair.read_from().await.as_str()), (0, "replica"));
    writes.join_next().await.expect("it was spawned").expect("the statement ends");
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Delta, 1));
    assert_equal(&pair.alone().await, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_or_lacks_a_table_fails_nothing() {
    let mut pair = Pair::new("dies", BY_FILE).await;
    pair.bench
        .source(&format!(
            "{STAMPED} insert into t (k, v) values (1, 1); set sql_log_bin = 0; create table lacking (x int primary key); \
             insert into lacking values (7);"
        ))
        .await;
    let syncer = pair.syncer().await;
    sync(&syncer, SyncOptions::default()).await;
    // By files and offsets it replicates, and counts transaction ids all the same.
    assert_eq!(pair.read_from().await, "replica");
    let lacking = TableName::from("lacking");
    let outcome = syncer.sync_table(&lacking, SyncOptions::default()).await.expect("the primary has it");
    assert_eq!(outcome.rows_inserted, 1);
    pair.replica.kill().expect("it can be killed");
    pair.bench.source("update t set v = 10 where k = 1").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!(outcome.rows_updated, 1);
    assert_eq!(pair.read_from().await, "primary");
    assert_equal(&syncer, 1).await;
    assert_eq!(syncer.plan(None, SyncOptions::default()).await.expect("it is planned").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_why_a_replica_is_not_read_and_status_where_tables_were_read() {
    let pair = Pair::new("doctor_replica", BY_GTID).await;
    pair.bench.source(&format!("{STAMPED} create user outsider@'%'; grant select on *.* to outsider@'%';")).await;
    pair.caught_up().await;
    let section = format!("[source.replica]\nhost = \"127.0.0.1\"\nport = {}\n", pair.replica.port());
    let doctor = |more: &str| {
        let mut command = pair.bench.amalgam_with(&format!("{section}{more}"));
        command.arg("doctor");
        async move { String::from_utf8(command.output().await.expect("it runs").stdout).expect("it prints UTF-8") }
    };
    let told = doctor("user = \"outsider\"\n").await;
    assert!(told.contains("'outsider'@'%' may not see how its replication goes"), "{told}");
    assert!(told.contains("GRANT SLAVE MONITOR ON *.* TO 'outsider'@'%'"), "{told}");
    let told = doctor("").await;
    assert!(told.contains("had all that the primary has after 0."), "{told}");
    sync(&pair.syncer().await, SyncOptions::default()).await;
    let output = pair.bench.amalgam_with(&section).arg("status").output().await.expect("it runs");
    let told = String::from_utf8(output.stdout).expect("it prints UTF-8");
    assert!(told.contains(&format!("replica 127.0.0.1:{}  1 of ", pair.replica.port())), "{told}");
    pair.at_replica("stop slave io_thread").await;
    let told = doctor("").await;
    assert!(told.contains("is not read, the primary is: its receiving thread does not run"), "{told}");
    pair.at_replica("start slave").await;
    pair.bench.source("set global binlog_format = statement").await;
    let told = doctor("").await;
    assert!(told.contains("the primary's binlog_format is STATEMENT"), "{told}");
}
