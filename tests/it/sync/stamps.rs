//! Stamps that are not what a clock would give, and keys that no integer is.

use super::{PLAIN, RECONCILE, STAMPED, assert_equal, differences, sync, syncer, syncer_in_mode};
use crate::harness::Servers;
use amalgam::{
    domain::SyncMode,
    sync::{Action, Differences},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_stamped_in_the_future_hides_no_other_and_is_not_written_again_and_again() {
    let bench = Servers::fresh("future").await;
    bench.source(&format!("{STAMPED} insert into t values (1, 1, now() + interval 1 year), (2, 2, now());")).await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, PLAIN).await;
    bench.source("insert into t (k, v) values (3, 3); update t set v = 20 where k = 2;").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_updated), (Action::Delta, 1, 1));
    assert_equal(&syncer, 3).await;
    // It comes back from the future: the server stamps the edit with the present.
    bench.source("update t set v = 10 where k = 1;").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Delta, 1));
    assert_equal(&syncer, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_put_back_at_the_source_is_noticed_and_hides_nothing() {
    let bench = Servers::fresh("putback").await;
    bench.source(&format!("{STAMPED} insert into t (k, v) values (1, 1), (2, 2);")).await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, PLAIN).await;
    // As though the source's clock had been an hour ahead until now.
    bench
        .warehouse(
            "update amalgam.table_state set watermark = jsonb_build_object('stamp', \
             to_char(now() at time zone 'UTC' + interval '1 hour', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))",
        )
        .await;
    bench.source("update t set v = 10 where k = 1;").await;
    let plans = syncer.plan(None, PLAIN).await.expect("it is planned");
    assert_eq!(plans[0].action_reason, "the source's clock was put back behind the watermark");
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 1));
    assert_equal(&syncer, 2).await;
    // The watermark stands where the clock does now.
    bench.source("update t set v = 20 where k = 2;").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Delta, 1));
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_put_back_and_has_passed_the_watermark_again_is_noticed() {
    let bench = Servers::fresh("putback_long_ago").await;
    bench.source(&format!("{STAMPED} insert into t (k, v) values (1, 1), (2, 2);")).await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, PLAIN).await;
    // As though the last sync had been at twelve by both clocks, the source's then put back by ten minutes, a
    // row edited at five to twelve, and it were ten past now at the source and twenty past here.
    bench
        .warehouse(
            "update amalgam.table_state set synced_at = now() - interval '20 minutes', \
             source_read_at = now() - interval '10 minutes', watermark = jsonb_build_object('stamp', \
             to_char(now() at time zone 'UTC' - interval '10 minutes', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))",
        )
        .await;
    bench.source("set timestamp = unix_timestamp() - 900; update t set v = 10 where k = 1;").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 1));
    bench.source("update t set v = 20 where k = 2;").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Delta, 1));
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_writer_stamps_in_the_past_are_found_by_a_comparison() {
    let bench = Servers::fresh("past").await;
    bench.source(&format!("{STAMPED} insert into t (k, v) values (1, 1), (2, 2);")).await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, PLAIN).await;
    bench.source("set timestamp = unix_timestamp() - 7200; update t set v = 10 where k = 1;").await;
    sync(&syncer, PLAIN).await;
    assert_eq!(differences(&syncer).await, Differences { rows: 2, different: 1, ..Differences::default() });
    assert_eq!(sync(&syncer, RECONCILE).await.rows_updated, 1);
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_bytes_are_kept_in_step_whatever_the_bytes() {
    let bench = Servers::fresh("bytekeys").await;
    bench
        .source(
            "create table t (k varbinary(16), b binary(3), v int, primary key (k, b));
             insert into t values ('', '', 0), (x'00', 'a', 1), (x'0000', 'a', 2), (x'ff00', 'a', 3), (x'ff', x'ff', 4), ('a', 'a', 5), ('A', 'a', 6);",
        )
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, PLAIN).await;
    assert_equal(&syncer, 7).await;
    bench
        .source("update t set v = 10 where k = x'0000'; delete from t where k = x'ff'; update t set k = x'00000000' where k = ''; insert into t values (x'fe', '', 7);")
        .await;
    sync(&syncer, PLAIN).await;
    assert_equal(&syncer, 7).await;
    assert_eq!(bench.text(r"select v from raw.t where k = '\x0000'").await, "10");
    assert_eq!(bench.text(r"select count(*) from raw.t where k in ('\x', '\xff')").await, "0");
}
