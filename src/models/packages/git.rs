//! Packages from repositories, through the `git` program.
//!
//! Guarantee: it never asks a person, runs none of the repository's hooks, and no message shows a secret of the
//! environment.

use super::refused;
use crate::error::Result;
use std::{ffi::OsStr, fs, io, path::Path, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// One call of git, at most.
const SECONDS_MAX: u64 = 600;
/// Variables that hold what nobody may see begin so.
const SECRET_PREFIX: &str = "DBT_ENV_SECRET";
/// As much of what git says is shown.
const SAID_LINES_MAX: usize = 4;

/// Fetches one revision (a tag, a branch, a commit, `HEAD`) into a new folder; the commit that it is.
///
/// # Errors
/// There is no git, no such repository or revision, or it can't be reached.
pub(super) async fn checkout(address: &str, revision: &str, into: &Path) -> Result<String> {
    let told = |what: String| refused(format!("git package {}: {what}", scrubbed(address)));
    fs::create_dir(into).map_err(|error| told(format!("making {}: {error}", into.display())))?;
    run(into, &["init", "--quiet"]).await.map_err(told)?;
    run(into, &["remote", "add", "--", "origin", address]).await.map_err(told)?;
    let found = fetch(into, revision).await.map_err(told)?;
    run(into, &["checkout", "--quiet", "--detach", &found]).await.map_err(told)?;
    let commit = run(into, &["rev-parse", "HEAD"]).await.map_err(told)?.trim().to_owned();
    fs::remove_dir_all(into.join(".git")).map_err(|error| told(error.to_string()))?;
    Ok(commit)
}

/// Fetches a revision; what to check out.
async fn fetch(into: &Path, revision: &str) -> std::result::Result<String, String> {
    let fetched = "FETCH_HEAD".to_owned();
    let shallow = async |name: &str| run(into, &["fetch", "--quiet", "--depth", "1", "origin", name]).await;
    if revision == "HEAD" {
        return shallow(revision).await.map(|_| fetched);
    }
    if is_commit(revision) && shallow(revision).await.is_ok() {
        return Ok(fetched);
    }
    // A tag goes before a branch of its name.
    let (tag, branch) = (format!("refs/tags/{revision}"), format!("refs/heads/{revision}"));
    let there = run(into, &["ls-remote", "--quiet", "origin", &tag, &branch]).await?;
    for name in [tag, branch] {
        if there.lines().any(|line| line.ends_with(&format!("\t{name}"))) {
            return shallow(&name).await.map(|_| fetched);
        }
    }
    // The beginning of a commit's name, or a server that gives no commit by itself: all of them are looked through.
    if revision.len() >= 4 && revision.bytes().all(|b| b.is_ascii_hexdigit()) {
        run(into, &["fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"]).await?;
        if let Ok(commit) = run(into, &["rev-parse", "--quiet", "--verify", &format!("{revision}^{{commit}}")]).await {
            return Ok(commit.trim().to_owned());
        }
    }
    Err(format!("it has no tag, branch or commit '{revision}'"))
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

async fn run(folder: &Path, words: &[&str]) -> std::result::Result<String, String> {
    let mut command = Command::new("git");
    command.args(["-c", "core.hooksPath=/dev/null", "-C"]).arg(folder).args(words);
    command.stdin(Stdio::null()).kill_on_drop(true).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"].map(OsStr::new) {
        command.env_remove(name);
    }
    let doing = words.first().copied().unwrap_or_default();
    let ended = timeout(Duration::from_secs(SECONDS_MAX), command.output());
    let output = match ended.await {
        Err(_) => return Err(format!("git {doing} took longer than {SECONDS_MAX} s")),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err("the program git is not installed".to_owned());
        }
        Ok(Err(error)) => return Err(format!("git {doing}: {error}")),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(SAID_LINES_MAX).collect();
    Err(scrubbed(&format!("git {doing}: {}", said.join(" "))))
}

/// A text without the secrets of the environment.
pub(super) fn scrubbed(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, value) in std::env::vars_os() {
        let is_secret = name.to_string_lossy().starts_with(SECRET_PREFIX);
        match value.to_str() {
            Some(value) if is_secret && !value.is_empty() => text = text.replace(value, "*****"),
            _ => {}
        }
    }
    text
}
