//! What the configuration decides about columns: other types, unfit texts, rows set aside.

use super::{RECONCILE, differences, sync, syncer_with};
use crate::harness::{Bench, Servers};
use amalgam::{
    config::{Config, TableOverride, TypeRule},
    domain::{BadText, SyncMode, TableName},
    error::Kind,
    sync::{Action, Differences, SyncOptions},
};

fn rule(columns: &str, becomes: &str) -> TypeRule {
    TypeRule { columns: columns.to_owned(), declared: None, becomes: becomes.to_owned() }
}

fn with(rules: &[(&str, &str)]) -> impl FnOnce(&mut Config) {
    let rules: Vec<TypeRule> = rules.iter().map(|(columns, becomes)| rule(columns, becomes)).collect();
    move |config| config.sync.types = rules
}

/// Asserts that both sides are equal, but for rows in quarantine.
async fn assert_equal_but(syncer: &amalgam::sync::Syncer, rows: u64, quarantined: u64) {
    assert_eq!(differences(syncer).await, Differences { rows, quarantined, ..Differences::default() });
}

async fn quarantine(bench: &Bench) -> Vec<Vec<Option<String>>> {
    bench
        .texts("select source_table, row_key, column_name, reason, times_seen from amalgam.quarantine order by 1, 2")
        .await
}

fn cells(row: &[&str]) -> Vec<Option<String>> {
    row.iter().map(|cell| Some((*cell).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_become_what_the_configuration_says() {
    let bench = Servers::fresh("mapped").await;
    bench
        .source(
            "set sql_mode = '';
             create table t (k int primary key, flag tinyint, b1 bit(1), da date, dt datetime(6), tm time, d double, f float, n int,
                money double, word varchar(20), la varchar(20) character set latin1, g point, bi blob, y year, z int(5) zerofill);
             insert into t values
               (1, 1, 1, '2022-11-00', '2024-02-29 10:00:00.5', '-30:00:00', 1.7976931348623157e308, 0.1, -5, 0.1, ' -12.50e1 ', 'é',
                st_geomfromtext('point(1 2)', 4326), 'bytes', 2024, 42),
               (2, 0, 0, '0000-00-00', '0000-00-00 00:00:00', '00:00:00', 5e-324, 16777217, 0, -0e0, '0', '', null, '', 0, 0),
               (3, null, null, null, null, null, null, null, null, 123456.789, null, null, null, null, null, null);",
        )
        .await;
    let rules = [
        ("t.flag", "boolean"),
        ("t.b1", "boolean"),
        ("t.da", "text"),
        ("t.dt", "text"),
        ("t.tm", "text"),
        ("t.d", "numeric"),
        ("t.f", "text"),
        ("t.n", "numeric"),
        ("t.money", "numeric"),
        ("t.word", "numeric"),
        ("t.la", "bytea"),
        ("t.g", "bytea"),
        ("t.bi", "text"),
        ("t.y", "text"),
        ("t.z", "text"),
    ];
    let syncer = syncer_with(&bench, with(&rules)).await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.rows_inserted, outcome.dates_coerced, outcome.rows_quarantined), (3, 0, 0));
    assert_equal_but(&syncer, 3, 0).await;
    let list = "flag, b1, da, dt, tm, d = 1.7976931348623157e308::numeric, f, n, money, word, encode(la, 'hex'), length(g), bi, y, z";
    assert_eq!(
        bench.texts(&format!("select {list} from raw.t where k < 3 order by k")).await,
        [
            cells(&[
                "t",
                "t",
                "2022-11-00",
                "2024-02-29 10:00:00.500000",
                "-30:00:00",
                "t",
                "0.10000000149011612",
                "-5",
                "0.1",
                "-125.0",
                "e9",
                "25",
                "bytes",
                "2024",
                "00042"
            ]),
            {
                let mut row = cells(&[
                    "f",
                    "f",
                    "0000-00-00",
                    "0000-00-00 00:00:00.000000",
                    "00:00:00",
                    "f",
                    "16777217",
                    "0",
                    "0",
                    "0",
                    "",
                    "",
                    "",
                    "0000",
                    "00000",
                ]);
                row[6] = Some("16777216".to_owned());
                row[11] = None;
                row
            }
        ]
    );
    assert_eq!(bench.text("select d::float8 from raw.t where k = 2").await, "5e-324");
}

#[tokio::test(flavor = "multi_thread")]
async fn local_times_become_instants_as_postgresql_itself_would_read_them() {
    let bench = Servers::fresh("zones").await;
    let times = "('2024-07-01 12:00:00.25'), ('2024-01-01 00:00:00'), ('2024-03-10 02:30:00'), ('2024-11-03 01:30:00'), \
                 ('2024-03-10 03:00:00'), ('2024-11-03 02:00:00'), ('1900-01-01 00:00:00'), ('9999-12-31 23:59:59'), ('2011-12-30 12:00:00'), ('2150-07-01 12:00:00')";
    bench
        .source(&format!(
            "create table t (k int auto_increment primary key, a datetime(3), c datetime(3) as (a) stored, s datetime(3) as (a) stored);
             insert into t (a) values {times}, (null); set sql_mode = ''; insert into t (a) values ('2024-11-00 10:00:00');",
        ))
        .await;
    let rules = [("t.c", "timestamptz in America/Chicago"), ("t.s", "timestamptz in Pacific/Apia")];
    let syncer = syncer_with(&bench, with(&rules)).await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    // One time each is left out and comes twice in Chicago, one is left out in Apia; one is partial, thrice.
    assert_eq!((outcome.local_times_coerced, outcome.dates_coerced), (3, 3));
    assert_equal_but(&syncer, 12, 0).await;
    let differing = "select k, a, c, a at time zone 'America/Chicago', s, a at time zone 'Pacific/Apia' from raw.t \
                     where c is distinct from a at time zone 'America/Chicago' or s is distinct from a at time zone 'Pacific/Apia'";
    assert_eq!(bench.texts(differing).await, Vec::<Vec<Option<String>>>::new());
    assert_eq!(bench.text("select count(*) from raw.t where c is not null and s is not null").await, "10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_loads_its_own_table_again_and_no_other() {
    let bench = Servers::fresh("rulechange").await;
    bench
        .source("create table t (k int primary key, flag tinyint); create table u (k int primary key, flag tinyint); insert into t values (1, 1); insert into u values (1, 1);")
        .await;
    let both = async |syncer: &amalgam::sync::Syncer| {
        let mut actions = Vec::new();
        for name in ["t", "u"] {
            let done = syncer.sync_table(&TableName::from(name), SyncOptions::default()).await.expect("it is synced");
            actions.push(done.action);
        }
        actions
    };
    assert_eq!(both(&syncer_with(&bench, |_| {}).await).await, [Action::Load, Action::Load]);
    let changed = syncer_with(&bench, with(&[("t.flag", "boolean")])).await;
    assert_eq!(both(&changed).await[0], Action::Load);
    let plans = changed.plan(None, SyncOptions::default()).await.expect("it is planned");
    assert!(plans.iter().all(|p| p.action != Action::Load));
    assert_eq!(bench.text("select format('%s %s', t.flag, u.flag) from raw.t, raw.u").await, "t 1");
    let back = syncer_with(&bench, |_| {}).await;
    let plans = back.plan(None, SyncOptions::default()).await.expect("it is planned");
    let why: Vec<(&str, &str)> = plans
        .iter()
        .filter(|p| p.action == Action::Load)
        .map(|p| (p.table.name.as_str(), p.action_reason.as_str()))
        .collect();
    assert_eq!(why, [("t", "the configuration of column flag has changed")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_a_column_cannot_follow_fails_its_table_with_a_remedy() {
    let bench = Servers::fresh("unsuited").await;
    bench.source("create table t (k int primary key, v text); create table u (k int primary key);").await;
    for (columns, becomes, told) in [
        ("t.v", "boolean", "column t.v is to become boolean, but its type does not suit that (text)"),
        ("t.*", "numeric", "column t.k is to become numeric, but it is part of the primary key (int(11))"),
    ] {
        let syncer = syncer_with(&bench, with(&[(columns, becomes)])).await;
        let error = syncer.sync_table(&"t".into(), SyncOptions::default()).await.expect_err("it can't");
        assert_eq!((error.kind, error.to_string().as_str()), (Kind::SourceType, told));
        assert!(error.remedy().contains("[[sync.types]]"));
        syncer.sync_table(&"u".into(), SyncOptions::default()).await.expect("the other table is synced");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unfit_texts_go_by_the_policy_of_the_source() {
    let bench = Servers::fresh("badtext").await;
    bench.source("create table t (k int primary key, v text, w text); insert into t values (1, concat('secret', char(0)), 'x'), (2, 'fine', 'y');").await;
    let under = async |policy| syncer_with(&bench, |config| config.source.bad_text = policy).await;
    let error = under(BadText::Fail).await.sync_table(&"t".into(), SyncOptions::default()).await.expect_err("it fails");
    assert_eq!(error.kind, Kind::RowsRefused);
    assert_eq!(error.to_string(), "column t.v holds a text with NUL or invalid UTF-8");
    assert!(error.remedy().contains("bad_text"));

    let replacing = under(BadText::Replace).await;
    assert_eq!(sync(&replacing, SyncOptions::default()).await.texts_coerced, 1);
    assert_equal_but(&replacing, 2, 0).await;

    // Another policy is a change of every text column: all rows are compared.
    let strict = under(BadText::Quarantine).await;
    let outcome = sync(&strict, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_deleted, outcome.rows_quarantined), (Action::Reconcile, 1, 1));
    assert_equal_but(&strict, 2, 1).await;
    assert_eq!(quarantine(&bench).await, [cells(&["t", "1", "v", "holds a text with NUL or invalid UTF-8", "1"])]);

    let outcome = sync(&under(BadText::Replace).await, SyncOptions::default()).await;
    assert_eq!((outcome.rows_inserted, outcome.texts_coerced), (1, 1));
    assert_eq!(quarantine(&bench).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_utf8_that_the_source_takes_for_text_goes_by_the_policy() {
    let bench = Servers::fresh("surrogates").await;
    // Halves of pairs: MariaDB lets them into every character set of Unicode, PostgreSQL into none.
    bench
        .source(
            "create table t (k int primary key, v varchar(20) character set utf8mb4, u varchar(20) character set ucs2);
             insert into t values (1, x'61eda08062', 'fine'), (2, 'fine', _ucs2 x'0061dfff0062'), (3, 'fine', 'fine');",
        )
        .await;
    let under = async |policy| syncer_with(&bench, |config| config.source.bad_text = policy).await;
    let error = under(BadText::Fail).await.sync_table(&"t".into(), SyncOptions::default()).await.expect_err("it fails");
    assert_eq!(error.kind, Kind::RowsRefused);

    let replacing = under(BadText::Replace).await;
    assert_eq!(sync(&replacing, SyncOptions::default()).await.texts_coerced, 2);
    assert_equal_but(&replacing, 3, 0).await;
    let texts = "select string_agg(v || ' ' || u, ', ' order by k) from raw.t where k < 3";
    let broken = "a\u{fffd}\u{fffd}\u{fffd}b";
    assert_eq!(bench.text(texts).await, format!("{broken} fine, fine {broken}"));

    let strict = under(BadText::Quarantine).await;
    let outcome = sync(&strict, SyncOptions::default()).await;
    assert_eq!((outcome.rows_deleted, outcome.rows_quarantined), (2, 2));
    assert_equal_but(&strict, 3, 2).await;
    let columns = "select string_agg(row_key || ' ' || column_name, ', ' order by row_key) from amalgam.quarantine";
    assert_eq!(bench.text(columns).await, "1 v, 2 u");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_quarantine_is_tried_again_when_its_column_changes() {
    let bench = Servers::fresh("column_changed").await;
    bench
        .source(
            "create table t (k int primary key, v text, ts timestamp not null default current_timestamp on update current_timestamp);
             insert into t values (1, concat('a', char(0)), '2020-01-01'), (2, 'fine', '2020-01-01');",
        )
        .await;
    let syncer = syncer_with(&bench, |config| {
        config.source.bad_text = BadText::Quarantine;
        let mode = TableOverride { mode: Some(SyncMode::Merge), ..TableOverride::default() };
        config.tables.insert("t".to_owned(), mode);
    })
    .await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_quarantined, 1);
    // No stamp tells of it.
    bench.source("alter table t modify v blob;").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_quarantined), (Action::Load, 0));
    assert_eq!(bench.text("select encode(v, 'hex') from raw.t where k = 1").await, "6100");
    assert_eq!(quarantine(&bench).await.len(), 0);
    assert_equal_but(&syncer, 2, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_quarantine_is_tried_again_when_its_column_goes() {
    let bench = Servers::fresh("column_gone").await;
    bench
        .source(
            "create table t (k int primary key, v text, ts timestamp not null default current_timestamp on update current_timestamp);
             insert into t values (1, concat('a', char(0)), '2020-01-01'), (2, 'fine', '2020-01-01');",
        )
        .await;
    let syncer = syncer_with(&bench, |config| {
        config.source.bad_text = BadText::Quarantine;
        let mode = TableOverride { mode: Some(SyncMode::Merge), ..TableOverride::default() };
        config.tables.insert("t".to_owned(), mode);
    })
    .await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_quarantined, 1);
    bench.source("alter table t drop v;").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_quarantined), (Action::Reconcile, 1, 0));
    assert_eq!(quarantine(&bench).await.len(), 0);
    assert_equal_but(&syncer, 2, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_quarantine_is_tried_again_when_it_is_edited() {
    let bench = Servers::fresh("retried").await;
    bench
        .source(
            "create table t (k int primary key, flag tinyint, ts timestamp default current_timestamp on update current_timestamp) engine=MyISAM;
             insert into t (k, flag) values (1, 0), (2, 1), (3, 2);",
        )
        .await;
    let syncer = syncer_with(&bench, |config| {
        with(&[("t.flag", "boolean")])(config);
        let mode = TableOverride { mode: Some(SyncMode::Merge), ..TableOverride::default() };
        config.tables.insert("t".to_owned(), mode);
    })
    .await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_quarantined), (Action::Load, 2, 1));
    let entry = |key, times| cells(&["t", key, "flag", "is to be boolean and holds neither 0 nor 1", times]);
    assert_eq!(quarantine(&bench).await, [entry("3", "1")]);
    assert_equal_but(&syncer, 3, 1).await;

    // One is mended, one becomes unfit: the warehouse's older version of it goes.
    bench.source("update t set flag = 1 where k = 3; update t set flag = 7 where k = 1;").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_deleted), (Action::Delta, 1, 1));
    assert_eq!(quarantine(&bench).await, [entry("1", "1")]);
    assert_equal_but(&syncer, 3, 1).await;

    // A delete behind a row in quarantine is not overlooked.
    bench.source("delete from t where k = 2;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_deleted, 1);
    assert_equal_but(&syncer, 2, 1).await;

    bench.source("delete from t where k = 1;").await;
    sync(&syncer, RECONCILE).await;
    assert_eq!(quarantine(&bench).await.len(), 0);
    assert_equal_but(&syncer, 1, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_be_names_are_told_by_their_hash() {
    let bench = Servers::fresh("hashed").await;
    bench
        .source(
            "create table t (k varchar(20) primary key, flag tinyint); insert into t values ('Miller', 2), ('Smith', 1);
             create table u (k int, flag tinyint); insert into u values (1, 3), (1, 3), (2, 0);",
        )
        .await;
    let syncer = syncer_with(&bench, with(&[("*.flag", "boolean")])).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_inserted, 1);
    assert_equal_but(&syncer, 2, 1).await;
    sync(&syncer, RECONCILE).await;
    let keyless = syncer.sync_table(&"u".into(), SyncOptions::default()).await.expect("the table is synced");
    assert_eq!((keyless.rows_inserted, keyless.rows_quarantined), (1, 2));
    let found = quarantine(&bench).await;
    let keys: Vec<&str> = found.iter().filter_map(|row| row[1].as_deref()).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|k| k.starts_with("sha256:") && k.len() == 39), "{keys:?}");
    assert_eq!(found[0][4].as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_load_sets_rows_aside_part_by_part() {
    let bench = Servers::fresh("partsaside").await;
    bench.source("create table t (k int primary key, flag tinyint) engine=MyISAM; insert into t select seq, if(seq % 1000 = 0, 2, 1) from seq_1_to_5000;").await;
    let syncer = syncer_with(&bench, |config| {
        with(&[("t.flag", "boolean")])(config);
        config.sync.load_part_bytes = 1;
        config.sync.batch_bytes_max = 1 << 10;
        config.source.range_rows = 700;
    })
    .await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.rows_read, outcome.rows_inserted, outcome.rows_quarantined), (5000, 4995, 5));
    assert_eq!(quarantine(&bench).await.len(), 5);
    assert_equal_but(&syncer, 5000, 5).await;
    sync(&syncer, RECONCILE).await;
    assert_equal_but(&syncer, 5000, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_most_rows_refuse_fails_the_table() {
    let bench = Servers::fresh("toomany").await;
    bench
        .source("create table t (k int primary key, flag int); insert into t select seq, seq from seq_2_to_10500;")
        .await;
    let syncer = syncer_with(&bench, with(&[("t.flag", "boolean")])).await;
    let error = syncer.sync_table(&"t".into(), SyncOptions::default()).await.expect_err("the rule is wrong");
    assert_eq!(error.kind, Kind::RowsRefused);
    assert!(error.to_string().starts_with("more than 10000 rows of t have no place"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_fit_no_page_are_found_and_set_aside() {
    let bench = Servers::fresh("nopage").await;
    let columns: Vec<String> = (1..=700).map(|n| format!("c{n} varchar(40)")).collect();
    let values = |length: usize| vec![format!("'{}'", "x".repeat(length)); 700].join(", ");
    // A value of 20 bytes is too short to be moved out of its row.
    let insert = |table: &str, k: i32, length: usize| format!("insert into {table} values ({k}, {});", values(length));
    let rows: String = (1..=40).map(|k| insert("t", k, if k % 13 == 0 { 20 } else { 3 })).collect();
    bench
        .source(&format!(
            "create table t (k int primary key, {columns}) engine=MyISAM charset latin1; {rows}
             create table u (k varchar(10), {columns}) engine=MyISAM charset latin1; {}{}",
            insert("u", 1, 20),
            insert("u", 2, 1),
            columns = columns.join(", "),
        ))
        .await;
    for load_part_bytes in [64 << 20, 1] {
        let syncer = syncer_with(&bench, |config| config.sync.load_part_bytes = load_part_bytes).await;
        let outcome = sync(&syncer, super::FULL).await;
        assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 37));
        assert_equal_but(&syncer, 40, 3).await;
        let keys = "select string_agg(row_key, ' ' order by row_key), count(column_name) from amalgam.quarantine where source_table = 't'";
        assert_eq!(bench.texts(keys).await, [cells(&["13 26 39", "0"])]);
        let reason = "select distinct reason from amalgam.quarantine";
        assert!(bench.text(reason).await.contains("row is too big"), "{}", bench.text(reason).await);
    }
    let syncer = syncer_with(&bench, |_| {}).await;
    // One is mended, one becomes too wide; the row it was before goes.
    bench.source("update t set c1 = 'y' where k = 1;").await;
    bench.source(&format!("delete from t where k in (2, 13); {}{}", insert("t", 2, 20), insert("t", 13, 1))).await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!(
        (outcome.action, outcome.rows_inserted, outcome.rows_updated, outcome.rows_deleted),
        (Action::Reconcile, 1, 1, 1)
    );
    assert_equal_but(&syncer, 40, 3).await;

    let keyless = syncer.sync_table(&"u".into(), SyncOptions::default()).await.expect("the table is synced");
    assert_eq!((keyless.rows_inserted, keyless.rows_quarantined), (1, 1));
    let found = syncer.verify_table(&"u".into()).await.expect("the table is compared");
    assert_eq!(found, Differences { rows: 2, quarantined: 1, ..Differences::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_an_index_cannot_take_or_that_would_become_one_lose_no_row() {
    let bench = Servers::fresh("longkeys").await;
    bench
        .source(
            "create table t (k varchar(3000) character set latin1 primary key, v int) engine=InnoDB;
             insert into t select group_concat(md5(concat(a.seq, ' ', b.seq)) separator ''), b.seq from seq_1_to_90 a, seq_1_to_3 b group by b.seq;
             create table u (k varchar(20) charset utf8mb4 collate utf8mb4_bin primary key, v int);
             insert into u values (concat('a', char(0)), 1), ('a\u{fffd}', 2), ('b', 3);",
        )
        .await;
    let syncer = syncer_with(&bench, |_| {}).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_inserted, 3);
    assert_equal_but(&syncer, 3, 0).await;
    assert_eq!(bench.text("select min(length(k)) from raw.t").await, "2880");
    bench.source("update t set v = 7 where v = 2;").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal_but(&syncer, 3, 0).await;

    let outcome = syncer.sync_table(&"u".into(), SyncOptions::default()).await.expect("the table is synced");
    assert_eq!((outcome.rows_inserted, outcome.rows_quarantined, outcome.texts_coerced), (2, 1, 0));
    assert_eq!(bench.text("select v from raw.u where k <> 'b'").await, "2");
}
