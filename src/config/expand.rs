//! Expands what a layer gives in short: `url`, and the files of secrets.
//!
//! Done layer by layer, before they are merged: so a URL in the environment stands above a host in a
//! file, and a host stands above the URL beside it.
//!
//! Guarantee: no problem quotes a secret.

use super::{
    Notify, Secret,
    origin::{Layer, Origin},
    problem::{Problem, unreadable},
    url::{self, Server},
};
use figment::value::{Dict, Empty, Tag, Value};
use std::{
    fs,
    path::{Path, PathBuf},
};

const SECTIONS: [(&str, Server); 3] =
    [("source", Server::MariaDb), (REPLICA, Server::MariaDb), ("warehouse", Server::Postgres)];
const REPLICA: &str = "source.replica";
/// What a replica shares with its primary, whatever its URL says.
const SHARED: [&str; 2] = ["database", "connect_seconds_max"];

/// Secrets that may come as systemd credentials, by the name of the credential's file.
const CREDENTIALS: [(&str, &str, &str); 9] = [
    ("source_url", "source", "url"),
    ("source_password", "source", "password"),
    ("source_replica_url", REPLICA, "url"),
    ("source_replica_password", REPLICA, "password"),
    ("warehouse_url", "warehouse", "url"),
    ("warehouse_password", "warehouse", "password"),
    ("http_token", "http", "token"),
    ("heartbeat_url", "heartbeat", "url"),
    ("traces_headers", "traces", "headers"),
];

/// Fills the keys that the layer gives in short.
pub(super) fn expand(layer: &mut Layer, problems: &mut Vec<Problem>) {
    let mut found = Vec::new();
    for (section, server) in SECTIONS {
        let Some(values) = below(&mut layer.values, section) else { continue };
        read_secrets(section, &["password", "url"], values, &mut found);
        expand_section(section, server, values, &mut found);
    }
    if let Some(values) = below(&mut layer.values, "http") {
        read_secrets("http", &["token"], values, &mut found);
    }
    if let Some(values) = below(&mut layer.values, "heartbeat") {
        read_secrets("heartbeat", &["url"], values, &mut found);
    }
    if let Some(values) = below(&mut layer.values, "traces") {
        read_secrets("traces", &["headers"], values, &mut found);
    }
    if let Some(Value::Array(_, notifiers)) = layer.values.get_mut("notify") {
        for (index, notifier) in notifiers.iter_mut().enumerate() {
            let Value::Dict(_, values) = notifier else { continue };
            read_secrets(&format!("notify.{index}"), &["url", "token", "password"], values, &mut found);
        }
    }
    problems.extend(found.into_iter().map(|problem| {
        let origin = layer.origin.of_key(&problem.key);
        problem.at(origin)
    }));
}

/// The keys of a section, whose path may have several parts.
fn below<'v>(values: &'v mut Dict, section: &str) -> Option<&'v mut Dict> {
    section.split('.').try_fold(values, |values, part| match values.get_mut(part) {
        Some(Value::Dict(_, below)) => Some(below),
        _ => None,
    })
}

/// Reads the secrets that are given as files.
fn read_secrets(section: &str, secrets: &[&str], values: &mut Dict, problems: &mut Vec<Problem>) {
    for secret in secrets {
        let key = format!("{secret}_file");
        let Some(path) = values.get(&key).and_then(Value::as_str).filter(|p| !p.is_empty()) else { continue };
        let key = format!("{section}.{key}");
        if values.contains_key(*secret) {
            problems.push(Problem::new(key, format!("{section}.{secret} is given as well"), "give one of the two"));
            continue;
        }
        match read_secret(Path::new(path)) {
            Ok(text) if text.is_empty() => {
                problems.push(Problem::new(key, format!("{path} is empty"), "write the secret into it"));
            }
            Ok(text) => {
                values.insert((*secret).to_owned(), text.into());
            }
            Err(cause) => problems.push(Problem::new(key, cause, "name a file that this user may read")),
        }
    }
}

fn expand_section(section: &str, server: Server, values: &mut Dict, problems: &mut Vec<Problem>) {
    // A host that is given means TCP; a socket from a lower layer must not stand above it.
    if server == Server::MariaDb && (values.contains_key("host") || values.contains_key("url")) {
        let without = Value::Empty(Tag::Default, Empty::None);
        let url_has_none = match values.get("url").and_then(Value::as_str).map(|url| url::parse(url, server)) {
            Some(Ok(parts)) => !parts.contains_key("socket"),
            _ => true,
        };
        if url_has_none && !values.contains_key("socket") {
            values.insert("socket".to_owned(), without);
        }
    }
    let Some(url) = values.get("url").and_then(Value::as_str).filter(|u| !u.is_empty()) else { return };
    match url::parse(url, server) {
        Ok(parts) => {
            let own = |key: &str| section != REPLICA || !SHARED.contains(&key);
            for (key, value) in parts.into_iter().filter(|(key, _)| own(key)) {
                values.entry(key).or_insert(value);
            }
        }
        Err(cause) => {
            let example = match server {
                Server::MariaDb => "write mysql://user@host:3306/database, and the password into password_file",
                Server::Postgres => "write postgresql://user@host:5432/database, and the password into password_file",
            };
            problems.push(Problem::new(format!("{section}.url"), cause, example));
        }
    }
}

/// What systemd hands over, each a layer of its own.
pub(super) fn credentials(directory: &Path, problems: &mut Vec<Problem>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (name, section, key) in CREDENTIALS {
        let path: PathBuf = directory.join(name);
        if !path.exists() {
            continue;
        }
        match read_secret(&path) {
            // The unit has an empty one where the administrator gives none.
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                let values = Dict::from([(key.to_owned(), text.into())]);
                let values = section
                    .rsplit('.')
                    .fold(values, |values, part| Dict::from([(part.to_owned(), Value::from(values))]));
                layers.push(Layer { origin: Origin::Credential(path), values });
            }
            Err(cause) => problems.push(
                Problem::new(format!("{section}.{key}"), cause, "see LoadCredential= in the service's unit")
                    .at(Origin::Credential(path).to_string()),
            ),
        }
    }
    layers
}

/// What systemd hands over for notifiers, by their names: they have no keys before they are known. It is used where
/// nothing else is given.
pub(super) fn notifiers_credentials(directory: &Path, notifiers: &mut [Notify], problems: &mut Vec<Problem>) {
    for (index, notifier) in notifiers.iter_mut().enumerate() {
        let name = notifier.name.clone();
        for (key, secret) in notifier.secrets() {
            let path = directory.join(format!("notify_{name}_{key}"));
            // Else the name may lead out of the folder; its own check tells.
            let is_plain = path.parent() == Some(directory);
            if !secret.is_empty() || !is_plain || !path.exists() {
                continue;
            }
            match read_secret(&path) {
                Ok(text) => *secret = Secret::new(text),
                Err(cause) => problems.push(Problem::new(
                    format!("notify.{index}.{key}"),
                    cause,
                    "see LoadCredential= in the service's unit",
                )),
            }
        }
    }
}

/// The secret in a file: its text without the line's end.
fn read_secret(path: &Path) -> Result<String, String> {
    // The error of a text that is no UTF-8 is not passed on: it may quote bytes.
    let text = fs::read(path).map_err(|e| format!("can't read {}: {}", path.display(), unreadable(&e)))?;
    let text = String::from_utf8(text).map_err(|_| format!("{} is no text in UTF-8", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(text.to_owned())
}
