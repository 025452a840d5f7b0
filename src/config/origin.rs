//! Where a value came from: a file and line, an environment variable, a flag, a credential.

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map},
};
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// One place that values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A file, and its text, in which the line of a key is looked up.
    File(PathBuf, String),
    /// An environment variable.
    Variable(String),
    /// `--set`.
    Flag(String),
    /// A systemd credential.
    Credential(PathBuf),
}

impl Origin {
    /// The origin, with the line of the key where there is one.
    pub(super) fn of_key(&self, key: &str) -> String {
        match self {
            Self::File(_, text) => match line_of(text, key) {
                Some(line) => format!("{self}, line {line}"),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(key) => write!(f, "--set {key}"),
            Self::Credential(path) => write!(f, "systemd credential {}", path.display()),
        }
    }
}

/// The values of one origin, as figment merges them.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) origin: Origin,
    pub(super) values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The line, from 1, on which a TOML file sets a key or begins its table.
///
/// Reads headers and `key =` only; a key that is set in a way this doesn't see has no line.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut section = String::new();
    let mut elements: BTreeMap<String, usize> = BTreeMap::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let here = if let Some(header) = line.strip_prefix('[') {
            let name = bare(header.split(']').next().unwrap_or_default().trim_start_matches('['));
            section = if header.starts_with('[') {
                let element = elements.entry(name.clone()).and_modify(|n| *n += 1).or_insert(0);
                format!("{name}.{element}")
            } else {
                name
            };
            section.clone()
        } else if let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            if section.is_empty() { bare(name) } else { format!("{section}.{}", bare(name)) }
        } else {
            continue;
        };
        if here == key {
            return Some(index + 1);
        }
    }
    None
}

/// A dotted key without blanks and quotes.
fn bare(key: &str) -> String {
    key.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_key_is_found() {
        let text = "log.filter = 'info'\n# [source]\n[source]\nhost = 'a'\n\n[[schedule]]\nname = 'a'\n[[schedule]]\nname = 'b'\n[tables.\"patient\"]\nmode='merge'\n";
        assert_eq!(line_of(text, "log.filter"), Some(1));
        assert_eq!(line_of(text, "source"), Some(3));
        assert_eq!(line_of(text, "source.host"), Some(4));
        assert_eq!(line_of(text, "schedule.1.name"), Some(9));
        assert_eq!(line_of(text, "tables.patient.mode"), Some(11));
        assert_eq!(line_of(text, "source.port"), None);
    }
}
