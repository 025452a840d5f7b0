//! PostgreSQL's statistics of the raw tables: gathered anew after much has changed, and only then.

use super::{in_mode, sync, syncer_with};
use crate::harness::{Servers, until};
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

#[tokio::test(flavor = "multi_thread")]
async fn a_large_new_table_has_rough_statistics_at_once_and_is_due_for_full_ones() {
    let bench = Servers::fresh("analyzed_roughly").await;
    bench
        .source(
            "create table t (k int primary key, v int, filler char(200) not null) engine=MyISAM; \
             insert into t select seq, seq % 2000, '' from seq_1_to_12000;",
        )
        .await;
    for part_bytes in [1 << 20, u64::MAX] {
        let syncer = syncer_with(&bench, |config| config.sync.load_part_bytes = part_bytes).await;
        assert_eq!(sync(&syncer, SyncOptions { full: true, ..SyncOptions::default() }).await.action, Action::Load);
        let of_columns = "select count(*)::text, max(cardinality(histogram_bounds::text::text[]))::text from pg_stats \
                          where schemaname = 'raw' and tablename = 't'";
        let row = bench.texts(of_columns).await.remove(0);
        assert_eq!(row, [Some("3".to_owned()), Some("11".to_owned())], "parts of {part_bytes} bytes");
        // The server hears of it when the session has nothing to do.
        until("12,000 rows are told as changed since the last full analysis", async || {
            let sql = "select 1 from pg_stat_user_tables \
                       where schemaname = 'raw' and relname = 't' and n_mod_since_analyze >= 12000";
            !bench.texts(sql).await.is_empty()
        })
        .await;
        bench.warehouse("analyze raw.t").await;
    }
}
