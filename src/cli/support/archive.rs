//! The file that a support bundle is: members gathered in memory, then one `tar.gz`.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

/// What is gathered. Small: names, numbers and times.
pub(super) struct Archive {
    folder: String,
    at: DateTime<Utc>,
    members: Vec<(String, Vec<u8>)>,
}

impl Archive {
    pub(super) fn new(at: DateTime<Utc>) -> Self {
        Self { folder: format!("amalgam-support-{}", at.format("%Y%m%dT%H%M%SZ")), at, members: Vec::new() }
    }

    /// The usual name of the file.
    pub(super) fn file_name(&self) -> String {
        format!("{}.tar.gz", self.folder)
    }

    pub(super) fn json(&mut self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value).with_context(|| format!("{name} as JSON"))?;
        self.text(name, text + "\n");
        Ok(())
    }

    pub(super) fn text(&mut self, name: &str, text: String) {
        self.members.push((name.to_owned(), text.into_bytes()));
    }

    /// Writes a file that is not there yet, for its owner alone.
    pub(super) fn write(self, path: &Path) -> anyhow::Result<()> {
        let told = || format!("writing {}", path.display());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(told)?;
        let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        for (name, bytes) in &self.members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(self.at.timestamp().unsigned_abs());
            tar.append_data(&mut header, format!("{}/{name}", self.folder), &bytes[..]).with_context(told)?;
        }
        tar.into_inner().and_then(GzEncoder::finish).and_then(|file| file.sync_all()).with_context(told)
    }
}
