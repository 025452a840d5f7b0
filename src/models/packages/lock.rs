//! `package-lock.yml`: which versions were chosen, and for which wishes.

use super::{
    Pinned, Source,
    git::scrubbed,
    refused, replace,
    wanted::{Entry, Render, entries},
};
use crate::{domain::hexadecimal, error::Result, models::reading};
use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use std::path::{Path, PathBuf};

/// The file's name.
const LOCK: &str = "package-lock.yml";
const DIGEST: &str = "sha1_hash";

/// Where a project's lock is.
pub(super) fn path(root: &Path) -> PathBuf {
    root.join(LOCK)
}

/// SHA-1 of what a project asks for, as dbt makes it: in the order of the entries' texts.
pub(super) fn digest(entries: &[Entry]) -> String {
    let mut texts: Vec<&str> = entries.iter().map(|entry| entry.digested.as_str()).collect();
    texts.sort_unstable();
    hexadecimal(&Sha1::digest(texts.join("\n")))
}

/// The packages of the lock, where it was made for these wishes.
///
/// # Errors
/// It is there and can't be read.
pub(super) fn read(root: &Path, digest: &str, render: &Render<'_>) -> Result<Option<Vec<Entry>>> {
    let path = path(root);
    if !path.is_file() {
        return Ok(None);
    }
    let shown = path.display().to_string();
    let lock: Map<String, Value> = reading::yaml::read(&path, &shown)?;
    if lock.get(DIGEST).and_then(Value::as_str) != Some(digest) {
        return Ok(None);
    }
    entries(lock.get("packages").unwrap_or(&Value::Null), &shown, LOCK, render).map(Some)
}

/// Writes the lock.
///
/// # Errors
/// It can't be written.
pub(super) fn write(root: &Path, pinned: &[Pinned], digest: &str) -> Result<()> {
    replace(&path(root), &text(pinned, digest)?)
}

/// As dbt writes it, its keys in their order.
fn text(pinned: &[Pinned], digest: &str) -> Result<String> {
    let mut text = "packages:\n".to_owned();
    for one in pinned {
        let name = ("name", one.project.clone());
        let mut keys = match &one.source {
            Source::Local { path, .. } => vec![("local", path.clone()), name],
            Source::Git { address, revision, subdirectory, .. } => {
                let below = subdirectory.iter().map(|folder| ("subdirectory", folder.clone()));
                let keys = [("git", scrubbed(&address.unrendered)), name, ("revision", revision.clone())];
                keys.into_iter().chain(below).collect()
            }
            Source::Hub { package, version, .. } => {
                vec![name, ("package", package.clone()), ("version", version.clone())]
            }
            Source::Tarball { address, .. } => vec![name, ("tarball", scrubbed(&address.unrendered))],
        };
        keys.sort_unstable();
        for (at, (key, value)) in keys.iter().enumerate() {
            let mark = if at == 0 { "  - " } else { "    " };
            text.push_str(&format!("{mark}{key}: {}\n", scalar(value)?));
        }
    }
    text.push_str(&format!("{DIGEST}: {}\n", scalar(digest)?));
    Ok(text)
}

/// A text as YAML, plain where that is read as the same text.
pub(super) fn scalar(text: &str) -> Result<String> {
    let reads = |yaml: &str| {
        let read = reading::yaml::parse(&format!("v: {yaml}\n"), LOCK);
        read.is_ok_and(|map| map.len() == 1 && map.get("v").and_then(Value::as_str) == Some(text))
    };
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.'));
    if is_plain && reads(text) {
        return Ok(text.to_owned());
    }
    let quoted = format!("'{}'", text.replace('\'', "''"));
    if reads(&quoted) { Ok(quoted) } else { Err(refused(format!("'{}' can't be written down", text.escape_debug()))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::packages::wanted::Written;
    use serde_json::json;

    fn wishes(list: &Value) -> Vec<Entry> {
        let render = |text: &str, _: &str| Ok(Value::from(text));
        entries(list, "packages.yml", "packages.yml", &render).expect("good entries")
    }

    #[test]
    fn the_digest_is_dbts() {
        let all = json!([
            {"local": "loc"}, {"git": "file:///x", "revision": "v1", "warn-unpinned": false},
            {"git": "/x", "subdirectory": "sub", "revision": 1.0}, {"git": "/y"},
            {"git": "/z", "warn-unpinned": true, "revision": 2},
        ]);
        assert_eq!(digest(&wishes(&all)), "90f04fb1e6ece1c6684431c1e34be9c6905cb2ad");
        assert_eq!(digest(&[]), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        let hub = json!([{"package": "dbt-labs/dbt_utils", "version": [">=1.0.0", "<2.0.0"]}]);
        assert_eq!(digest(&wishes(&hub)), "dd1e1feb2d2bbce79e7a255cd309a60e6548df0b");
        let tarball = json!([{"tarball": "https://é/x.tar.gz", "name": "tp"}]);
        assert_eq!(digest(&wishes(&tarball)), "0ca4f69a7e2ad343ae21610f16e67e01f7d83505");
    }

    #[test]
    fn a_lock_is_written_as_dbt_writes_it() {
        let pinned = |project: &str, source| Pinned { project: project.to_owned(), source };
        let written =
            |text: &str, unrendered: &str| Written { text: text.to_owned(), unrendered: unrendered.to_owned() };
        let all = [
            pinned("loc", Source::Local { path: "../loc".to_owned(), folder: PathBuf::new() }),
            pinned(
                "sub",
                Source::Git {
                    address: written("/x", "{{ env_var('X') }}"),
                    revision: "59185c32".to_owned(),
                    subdirectory: Some("sub".to_owned()),
                    folder: PathBuf::new(),
                },
            ),
            pinned(
                "utils",
                Source::Hub {
                    package: "a/utils".to_owned(),
                    version: "1.0.0".to_owned(),
                    latest: "1.0.0".to_owned(),
                    archive: String::new(),
                },
            ),
        ];
        insta::assert_snapshot!(text(&all, "0123").expect("written"), @r"
        packages:
          - local: ../loc
            name: loc
          - git: '{{ env_var(''X'') }}'
            name: sub
            revision: 59185c32
            subdirectory: sub
          - name: utils
            package: a/utils
            version: 1.0.0
        sha1_hash: '0123'
        ");
    }

    #[test]
    fn a_text_that_would_be_read_as_something_else_is_quoted() {
        for (text, yaml) in
            [("1.0", "'1.0'"), ("yes", "'yes'"), ("v1", "v1"), ("a: b", "'a: b'"), ("it's #1", "'it''s #1'")]
        {
            assert_eq!(scalar(text).expect("written"), yaml);
        }
    }
}
