//! PostgreSQL's statistics of the raw tables: gathered anew after much has changed, and only then.

use super::{in_mode, sync, syncer_with};
use crate::harness::Servers;
use amalgam::{
    domain::SyncMode,
    sync::{Action, SyncOptions},
};

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_gathered_after_big_changes_and_not_after_small_ones() {
    let bench = Servers::fresh("analyzed").await;
    bench
        .source(
            "create table t (k int primary key, v int, ts timestamp not null default current_timestamp on update current_timestamp) engine=MyISAM; \
             insert into t select seq, 0, '2020-01-01' from seq_1_to_12000;",
        )
        .await;
    let syncer =
        syncer_with(&bench, |config| drop(config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge)))).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    let times = async || {
        let sql = "select analyze_count, extract(epoch from last_analyze) from pg_stat_user_tables \
                   where schemaname = 'raw' and relname = 't'";
        let row = bench.texts(sql).await.remove(0);
        let number = |at: usize| row[at].as_ref().and_then(|n| n.parse::<f64>().ok()).expect("it was analyzed");
        (number(0), number(1))
    };
    let loaded = times().await;
    for (edited, gathered) in [(1000, false), (1300, true)] {
        bench.source(&format!("update t set v = v + 1 where k <= {edited};")).await;
        assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_updated, edited);
        let now = times().await;
        assert_eq!((now.0 > loaded.0, now.1 > loaded.1), (gathered, gathered), "{edited} edited: {loaded:?} {now:?}");
    }
}
