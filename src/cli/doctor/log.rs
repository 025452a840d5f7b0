//! Whether the tables that are to follow the source's binary log can.

use super::{finding::Findings, output, source::account};
use crate::{
    domain::{Catalog, SyncMode, Table},
    source::{Grant, Preflight, Source},
    sync::Syncer,
};
use std::time::Duration;

/// Kept for less, a weekend without Amalgam has every table compared.
const KEPT_MIN: Duration = Duration::from_secs(24 * 3600);
/// What is advised: three days, in seconds.
const KEPT_ADVISED_SECONDS: u64 = 3 * 24 * 3600;

pub(super) async fn examine(
    catalog: &Catalog,
    facts: &Preflight,
    source: &Source,
    syncer: &Syncer,
    into: &mut Findings,
) {
    let wanted: Vec<&Table> = catalog.tables.iter().filter(|table| syncer.is_streamed(&table.name)).collect();
    let (streamed, unsuited): (Vec<&Table>, Vec<&Table>) =
        wanted.into_iter().partition(|table| syncer.mode(table).0 == SyncMode::Stream);
    let mut cascading = Vec::new();
    for table in &streamed {
        match source.cascades(table).await {
            Ok(true) => cascading.push(*table),
            Ok(false) => {}
            Err(error) => return into.failed("binlog cascades", &error),
        }
    }
    judge(&streamed, &unsuited, &cascading, facts, into);
}

fn judge(streamed: &[&Table], unsuited: &[&Table], cascading: &[&Table], facts: &Preflight, into: &mut Findings) {
    if !unsuited.is_empty() {
        into.warn(
            "binlog keys",
            format!("{} should follow the binary log, but have no primary key of integers", named(unsuited)),
            format!("choose another mode: [tables.{}] mode", unsuited[0].name),
        );
    }
    if streamed.is_empty() {
        return;
    }
    follows(streamed.len(), facts, into);
    if facts.binlog {
        kept(facts, into);
    }
    if !cascading.is_empty() {
        into.warn(
            "binlog cascades",
            format!(
                "a foreign key changes rows of {} by itself, which is not logged: each change has them compared",
                named(cascading)
            ),
            format!("choose another mode: [tables.{}] mode", cascading[0].name),
        );
    }
}

fn follows(tables: usize, facts: &Preflight, into: &mut Findings) {
    let right = |grant: &Grant| {
        grant.on == "*.*"
            && grant.privileges.iter().any(|p| matches!(p.as_str(), "REPLICATION SLAVE" | "ALL PRIVILEGES"))
    };
    let lacks = match () {
        () if !facts.is_mariadb => {
            Some(("MariaDB, whose log tells what a reader sees", "choose another mode for them".to_owned()))
        }
        () if !facts.binlog => Some(("log_bin", "start MariaDB with log_bin and binlog_format = ROW".to_owned())),
        () if facts.binlog_format != "ROW" => {
            Some(("binlog_format = ROW", "SET GLOBAL binlog_format = 'ROW', and in its configuration".to_owned()))
        }
        () if facts.log.lacks_replicated => Some((
            "what this server gets as a replica",
            "set log_slave_updates in MariaDB's configuration, or name the primary as the source".to_owned(),
        )),
        () if facts.log.leaves_out == Some(true) => Some((
            "databases that are left out of it",
            "remove binlog_do_db and binlog_ignore_db from MariaDB's configuration".to_owned(),
        )),
        () if !facts.grants.iter().any(right) => {
            let grant = format!("GRANT REPLICATION SLAVE ON *.* TO {}", account(&facts.account));
            Some(("the right to read the log", grant))
        }
        () => None,
    };
    let told = output::counted(tables, "table");
    match lacks {
        Some((what, remedy)) => {
            let finding = format!("{told} should follow it, but lack {what}: each change has them compared");
            into.warn("binlog followed", finding, remedy);
        }
        None if facts.log.leaves_out.is_none() => into.ok(
            "binlog followed",
            format!("by {told}; whether databases are left out of it is seen with BINLOG MONITOR alone"),
        ),
        None => into.ok("binlog followed", format!("by {told}")),
    }
    if facts.log.is_compressed {
        into.warn(
            "binlog compressed",
            "long events of the log are compressed, and are not read: such a change has its table compared",
            "SET GLOBAL log_bin_compress = OFF, and in its configuration",
        );
    }
}

fn kept(facts: &Preflight, into: &mut Findings) {
    match facts.log.kept {
        None => into.ok("binlog kept", "until somebody purges it"),
        Some(kept) if kept < KEPT_MIN => into.warn(
            "binlog kept",
            format!("for {} h: what Amalgam has not followed by then has every table compared", kept.as_secs() / 3600),
            format!("SET GLOBAL binlog_expire_logs_seconds = {KEPT_ADVISED_SECONDS}, and in its configuration"),
        ),
        Some(kept) => into.ok("binlog kept", format!("for {} h", kept.as_secs() / 3600)),
    }
}

fn named(tables: &[&Table]) -> String {
    output::named(&tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>())
}
