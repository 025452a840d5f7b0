//! What starts a schedule beside its time: a file, a change at the source.
//!
//! Each asks for a fire that happens when no run of the schedule is under way; what is asked for meanwhile is
//! part of it. What was seen last is in the control plane, so that a restart neither forgets nor repeats. The
//! end of another schedule's run asks by itself, in the transaction that records it (`state::end_run`).

use super::{Orchestrator, writer::Writership};
use crate::{
    domain::{ScheduleName, hexadecimal},
    error::Result,
    state::{ScheduleRow, Seen},
};
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, os::unix::fs::MetadataExt, path::Path, time::Duration};
use tracing::debug;

/// How often the source is asked what has changed.
const CHANGE_SECONDS: u64 = 5;
/// How often a file is looked at.
const FILE_SECONDS: u64 = 1;

/// Asks for a fire where a file is another than when it was last looked at. For ever, and each file by itself: one
/// on a mount that hangs is never answered for.
pub(super) async fn watch_files(o: Orchestrator, writership: Writership) {
    let files = o.config.schedule.iter().filter_map(|s| Some((s.name.as_str(), s.file.as_deref()?)));
    join_all(files.map(|(name, path)| watch_file(&o, &writership, name, path))).await;
}

async fn watch_file(o: &Orchestrator, writership: &Writership, name: &str, path: &Path) {
    let mut seen = None;
    loop {
        let sign = sign_of(path).await;
        if writership.is_held() && seen.as_ref() != Some(&sign) {
            match take_file_in(o, name, &sign).await {
                Ok(true) => seen = Some(sign),
                // The schedule itself is not known yet.
                Ok(false) => {}
                Err(error) => debug!(kind = %error.kind, %error, "what became of a schedule's file is not recorded"),
            }
        }
        tokio::time::sleep(Duration::from_secs(FILE_SECONDS)).await;
    }
}

/// What tells one version of a file from another; empty where there is none.
async fn sign_of(path: &Path) -> String {
    let there = tokio::fs::metadata(path).await.ok();
    there.map_or_else(String::new, |file| {
        format!("{}:{}:{}.{:09}", file.ino(), file.len(), file.mtime(), file.mtime_nsec())
    })
}

async fn take_file_in(o: &Orchestrator, name: &str, sign: &str) -> Result<bool> {
    let Some(row) = o.state.schedules().await?.into_iter().find(|row| row.name == name) else { return Ok(false) };
    if row.seen_file.as_deref() != Some(sign) {
        // One that lay there before the schedule was known, or that went, is no event.
        let by = (row.seen_file.is_some() && !sign.is_empty()).then_some("file");
        o.state.see(&ScheduleName::new(name), Seen::File, sign, by, o.clock.now()).await?;
    }
    Ok(true)
}

/// Asks for a fire of the schedules that are started so whenever a table that is kept in step was written. For
/// ever. What goes wrong is told elsewhere: whether the source answers is watched over anyway.
pub(super) async fn watch_changes(o: Orchestrator, writership: Writership) {
    let names: BTreeSet<&str> = o.config.schedule.iter().filter(|s| s.on_change).map(|s| s.name.as_str()).collect();
    while !names.is_empty() {
        let may_look = writership.is_held() && o.source.quiet_until().is_none();
        if may_look && let Err(error) = look_at_source(&o, &names).await {
            debug!(kind = %error.kind, %error, "what has changed at the source is not known");
        }
        tokio::time::sleep(Duration::from_secs(CHANGE_SECONDS)).await;
    }
}

async fn look_at_source(o: &Orchestrator, names: &BTreeSet<&str>) -> Result<()> {
    let mut hasher = Sha256::new();
    for (table, mark) in o.syncer.write_marks().await? {
        hasher.update(format!("{table} {mark}\n"));
    }
    let sign = hexadecimal(&hasher.finalize()[..16]);
    let is_new = |row: &&ScheduleRow| names.contains(row.name.as_str()) && row.seen_change.as_deref() != Some(&*sign);
    for row in o.state.schedules().await?.iter().filter(is_new) {
        let by = row.seen_change.is_some().then_some("change");
        o.state.see(&ScheduleName::new(&row.name), Seen::Change, &sign, by, o.clock.now()).await?;
    }
    Ok(())
}
