//! Raw tables on which somebody has put what changes or swallows what is written, and names that somebody has taken.

use super::{FULL, PLAIN, RECONCILE, assert_equal, differences, sync, syncer};
use crate::harness::Servers;
use amalgam::{domain::TableName, sync::Differences};

const SWALLOW: &str =
    "create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$";
const ALTER: &str = "create function public.shout() returns trigger language plpgsql as $$ begin new.v = upper(new.v); return new; end $$";

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_or_rule_on_a_raw_table_is_refused_by_name_until_it_is_dropped_or_disabled() {
    let bench = Servers::fresh("meddled").await;
    bench.source("create table t (k int primary key, v text); insert into t values (1, 'a')").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, PLAIN).await;
    bench.warehouse(&format!("{SWALLOW}; {ALTER}")).await;
    let swallows =
        "create trigger swallows before insert or update on raw.t for each row execute function public.swallow()";
    let shouts = "create trigger shouts before insert on raw.t for each row execute function public.shout()";
    let always = "create trigger always before delete on raw.t for each row execute function public.swallow(); \
                  alter table raw.t enable always trigger always";
    let instead = "create rule instead as on insert to raw.t do instead nothing";
    let mut rows = 1;
    for (made, undone, named) in [
        (swallows, "drop trigger swallows on raw.t", "trigger swallows"),
        (shouts, "alter table raw.t disable trigger shouts", "trigger shouts"),
        (always, "drop trigger always on raw.t", "trigger always"),
        (instead, "drop rule instead on raw.t", "rule instead"),
    ] {
        bench.warehouse(made).await;
        rows += 1;
        bench.source(&format!("insert into t values ({rows}, 'b')")).await;
        for options in [PLAIN, RECONCILE, FULL] {
            let refused = syncer.sync_table(&TableName::from("t"), options).await.expect_err("it is in the way");
            assert_eq!(refused.kind.as_str(), "raw_meddled", "{made}");
            let told = refused.to_string();
            assert!(told.contains("raw.t") && told.contains(named), "{told}");
        }
        // Comparing writes nothing.
        assert_eq!(differences(&syncer).await, Differences { rows, missing: 1, ..Differences::default() }, "{made}");
        bench.warehouse(undone).await;
        sync(&syncer, PLAIN).await;
        assert_equal(&syncer, rows).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_that_do_not_fire_and_those_of_foreign_keys_are_in_nobodys_way() {
    let bench = Servers::fresh("unmeddled").await;
    bench.source("create table t (k int primary key, v text); insert into t values (1, 'a')").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, PLAIN).await;
    bench
        .warehouse(&format!(
            "{SWALLOW}; create trigger replica before insert on raw.t for each row execute function public.swallow(); \
             alter table raw.t enable replica trigger replica; create table public.refers (k int references raw.t (k))"
        ))
        .await;
    bench.source("insert into t values (2, 'b')").await;
    sync(&syncer, PLAIN).await;
    assert_equal(&syncer, 2).await;
    // Where the role's sessions are a replica's, it is the other way round.
    bench.warehouse("do $$ begin execute format('alter database %I set session_replication_role = replica', current_database()); end $$").await;
    bench.source("insert into t values (3, 'c')").await;
    let again = super::syncer(&bench).await;
    let refused = again.sync_table(&TableName::from("t"), PLAIN).await.expect_err("it is in the way");
    assert_eq!(refused.kind.as_str(), "raw_meddled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_table_and_bears_a_raw_tables_name_is_told_as_what_it_is() {
    let bench = Servers::fresh("occupied").await;
    bench.source("create table t (k int primary key, v text); insert into t values (1, 'a')").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, PLAIN).await;
    for (made, dropped, what) in [
        ("create view raw.t as select 1 as k", "drop view raw.t", "a view"),
        ("create materialized view raw.t as select 1 as k", "drop materialized view raw.t", "a materialized view"),
        ("create type raw.t as (k int)", "drop type raw.t", "a type"),
        ("create domain raw.t as int", "drop domain raw.t", "a type"),
        ("create sequence raw.t", "drop sequence raw.t", "a sequence"),
    ] {
        bench.warehouse(&format!("drop table raw.t; {made}")).await;
        let refused = syncer.sync_table(&TableName::from("t"), PLAIN).await.expect_err("the name is taken");
        assert_eq!(refused.kind.as_str(), "raw_occupied", "{made}: {refused}");
        assert!(refused.to_string().contains(&format!("raw.t is {what}")), "{refused}");
        bench.warehouse(dropped).await;
        sync(&syncer, PLAIN).await;
        assert_equal(&syncer, 1).await;
    }
    // The type of its arrays makes way by itself.
    bench.warehouse("drop table raw.t; create type raw.of as enum ('a'); alter type raw.of rename to \"_t\"").await;
    sync(&syncer, PLAIN).await;
    assert_equal(&syncer, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_more_columns_than_postgresql_knows_is_told_with_the_number() {
    let bench = Servers::fresh("too_wide").await;
    let columns = |count: u32| (1..count).map(|n| format!(", c{n} tinyint")).collect::<String>();
    for (columns, is_held) in [(columns(1599), true), (columns(1600), false)] {
        bench.source(&format!("create or replace table t (k int primary key{columns}) engine=MyISAM")).await;
        let syncer = syncer(&bench).await;
        match syncer.sync_table(&TableName::from("t"), FULL).await {
            Ok(_) => assert!(is_held),
            Err(refused) => {
                assert_eq!((is_held, refused.kind.as_str()), (false, "too_many_columns"), "{refused}");
                assert!(refused.to_string().contains("t has 1600 columns"), "{refused}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_can_only_be_read_is_told_as_that() {
    let bench = Servers::fresh("read_only").await;
    bench.source("create table t (k int primary key, v text); insert into t values (1, 'a')").await;
    let run = async || {
        let output = bench.amalgam().arg("sync").output().await.expect("it ends");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(run().await.0);
    bench.source("insert into t values (2, 'b')").await;
    let set = |value: &str| {
        format!(
            "do $$ begin execute format('alter database %I set default_transaction_read_only = {value}', current_database()); end $$"
        )
    };
    bench.warehouse(&set("on")).await;
    let (ended_well, told) = run().await;
    assert!(!ended_well && told.contains("default_transaction_read_only") && told.contains("25006"), "{told}");
    bench.warehouse(&format!("set transaction_read_only = off; {}", set("off"))).await;
    assert!(run().await.0);
    assert_eq!(bench.text("select count(*) from raw.t").await, "2");
}
