//! Packages over HTTP: what the hub knows of one, and archives.
//!
//! Guarantee: no answer is longer than its bound, none is waited for for ever, and nothing that began over TLS goes on
//! without it.

use super::{refused, version::Version, wanted::Wanted};
use crate::{
    config::{PeerCertificate, TlsMode},
    error::Result,
    models::context::DBT_VERSION,
};
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, error::Error as _, time::Duration};

/// Where the hub is, unless somebody names another one.
const HUB: &str = "https://hub.getdbt.com/";
const REDIRECTS_MAX: usize = 10;
const CONNECT_SECONDS_MAX: u64 = 30;
/// From the first byte to the last.
const SECONDS_MAX: u64 = 600;
const ATTEMPTS_MAX: usize = 5;
const PAUSE_SECONDS: u64 = 1;
const JSON_BYTES_MAX: usize = 64 << 20;
const ARCHIVE_BYTES_MAX: usize = 256 << 20;
/// Versions that are named in a message.
const NAMED_MAX: usize = 8;

/// The hub, and whatever else answers over HTTP.
#[derive(Debug)]
pub(super) struct Hub {
    client: Option<Client>,
    address: String,
    known: BTreeMap<String, Map<String, Value>>,
}

/// A version that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub version: String,
    /// The newest that there is.
    pub latest: String,
    /// The project's name.
    pub project: String,
    /// Where its archive is.
    pub archive: String,
    /// What it needs, as written.
    pub packages: Value,
}

struct Failure {
    text: String,
    is_lasting: bool,
}

impl Hub {
    /// The hub that `DBT_PACKAGE_HUB_URL` names, or dbt's.
    pub(super) fn new() -> Self {
        let named = std::env::var("DBT_PACKAGE_HUB_URL").ok().filter(|address| !address.is_empty());
        let address = named.unwrap_or_else(|| HUB.to_owned());
        Self { client: None, address: address.trim_end_matches('/').to_owned(), known: BTreeMap::new() }
    }

    /// The newest version of a package that all who ask admit.
    ///
    /// # Errors
    /// The hub can't be reached or knows no such package, or there is no such version.
    pub(super) async fn choose(&mut self, wanted: &Wanted, warn: &mut dyn FnMut(String)) -> Result<Chosen> {
        let Wanted::Hub { name, .. } = wanted else { return Err(refused("only the hub has versions")) };
        if !self.known.contains_key(name) {
            let about = self.about(name).await?;
            if let Some(now) = moved(name, &about) {
                warn(format!("package {name} is now {now}: name it so"));
            }
            self.known.insert(name.clone(), about);
        }
        choose(wanted, &self.known[name])
    }

    async fn about(&mut self, name: &str) -> Result<Map<String, Value>> {
        let address = format!("{}/api/v1/{name}.json", self.address);
        let told = |what: &str| refused(format!("package {name}: {address}: {what}"));
        let bytes = self.get(&address, JSON_BYTES_MAX).await.map_err(|what| match what.as_str() {
            NOT_FOUND => told("the hub knows no such package; see how it is written at https://hub.getdbt.com"),
            what => told(what),
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(about)) if about.get("versions").is_some_and(Value::is_object) => Ok(about),
            _ => Err(told("the answer is no list of versions")),
        }
    }

    /// The bytes of an archive.
    ///
    /// # Errors
    /// It can't be had, or is too large.
    pub(super) async fn archive(&mut self, address: &str) -> Result<Vec<u8>> {
        self.get(address, ARCHIVE_BYTES_MAX).await.map_err(|what| refused(format!("{address}: {what}")))
    }

    /// What is at an address. What does not last is tried again, as often as dbt does.
    async fn get(&mut self, address: &str, bytes_max: usize) -> std::result::Result<Vec<u8>, String> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(client(address)?).clone(),
        };
        let mut attempt = 1;
        loop {
            match fetched(&client, address, bytes_max).await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) if failure.is_lasting || attempt >= ATTEMPTS_MAX => return Err(failure.text),
                Err(_) => attempt += 1,
            }
            tokio::time::sleep(Duration::from_secs(PAUSE_SECONDS)).await;
        }
    }
}

const NOT_FOUND: &str = "404 Not Found";

async fn fetched(client: &Client, address: &str, bytes_max: usize) -> std::result::Result<Vec<u8>, Failure> {
    let passing = |error: reqwest::Error| Failure { text: innermost(&error), is_lasting: error.is_builder() };
    let lasting = |text: String| Failure { text, is_lasting: true };
    let mut response = client.get(address).send().await.map_err(passing)?;
    let status = response.status();
    if !status.is_success() {
        let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        return Err(Failure { text: status.to_string(), is_lasting: !again });
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(passing)? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(lasting(format!("it is larger than {} MiB", bytes_max >> 20)));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn client(address: &str) -> std::result::Result<Client, String> {
    let policy = Policy::custom(|attempt| {
        let before = attempt.previous();
        let loses_tls = attempt.url().scheme() != "https" && before.last().is_some_and(|url| url.scheme() == "https");
        if loses_tls {
            attempt.error("it leads from https to http")
        } else if before.len() > REDIRECTS_MAX {
            attempt.error("it leads on and on")
        } else {
            attempt.follow()
        }
    });
    let mut builder = Client::builder()
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
        .timeout(Duration::from_secs(SECONDS_MAX))
        .redirect(policy)
        .user_agent(concat!("amalgam/", env!("CARGO_PKG_VERSION")));
    match TlsMode::VerifyFull.client(None, &PeerCertificate::default()) {
        Ok(Some(tls)) => builder = builder.tls_backend_preconfigured(tls),
        // Without TLS, a system without authorities will do.
        Ok(None) | Err(_) if address.starts_with("http://") => {}
        Ok(None) => return Err("TLS is not to be had".to_owned()),
        Err(what) => return Err(what),
    }
    builder.build().map_err(|error| innermost(&error))
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    if error.source().is_none() { error.to_string() } else { cause.to_string() }
}

/// The new name of a package that has one.
fn moved(name: &str, about: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| about.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (space, own) = name.split_once('/')?;
    if text("redirectnamespace").is_none() && text("redirectname").is_none() {
        return None;
    }
    let space = text("redirectnamespace").or(text("namespace")).unwrap_or(space);
    let own = text("redirectname").or(text("name")).unwrap_or(own);
    Some(format!("{space}/{own}"))
}

fn choose(wanted: &Wanted, about: &Map<String, Value>) -> Result<Chosen> {
    let Wanted::Hub { name, versions: asked, takes_prereleases } = wanted else {
        return Err(refused("only the hub has versions"));
    };
    let empty = Map::new();
    let all = about.get("versions").and_then(Value::as_object).unwrap_or(&empty);
    let takes_prereleases = *takes_prereleases || asked.iter().any(|asked| asked.what.is_prerelease());
    let mut offered: Vec<(Version, &String)> = all
        .iter()
        .filter(|(_, about)| is_for_us(about))
        .filter_map(|(text, _)| Some((Version::of(text)?, text)))
        .filter(|(version, _)| takes_prereleases || !version.is_prerelease())
        .collect();
    offered.sort_by(|(a, _), (b, _)| a.cmp(b));
    let fitting = offered.iter().rev().find(|(version, _)| asked.iter().all(|asked| asked.what.admits(version)));
    let (Some((_, version)), Some((_, latest))) = (fitting, offered.last()) else {
        let asked: Vec<String> = asked.iter().map(|asked| format!("{} ({})", asked.what, asked.by)).collect();
        let there: Vec<&str> = offered.iter().rev().take(NAMED_MAX).map(|(_, text)| text.as_str()).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        return Err(refused(format!(
            "package {name}: no version is as asked: {}; the newest that run with dbt {DBT_VERSION} are {there}",
            asked.join(" and ")
        )));
    };
    let about = &all[version.as_str()];
    let text = |value: &Value, key: &str| {
        let missing = || refused(format!("package {name} {version}: the hub does not say its {key}"));
        value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(missing)
    };
    Ok(Chosen {
        version: (*version).clone(),
        latest: (*latest).clone(),
        project: text(about, "name")?,
        archive: text(about.get("downloads").unwrap_or(&Value::Null), "tarball")?,
        packages: about.get("packages").cloned().unwrap_or_default(),
    })
}

/// Whether a version says that it runs with the dbt that we follow; what can't be read does.
fn is_for_us(about: &Value) -> bool {
    let asked = crate::models::reading::texts(about.get("require_dbt_version").unwrap_or(&Value::Null));
    let ours = Version::of(DBT_VERSION).expect("it is a version");
    asked.iter().filter_map(|text| super::version::Requirement::of(text).ok()).all(|asked| asked.admits(&ours))
}

#[cfg(test)]
mod tests {
    use super::{super::wanted::entries, *};
    use serde_json::json;

    fn wanted(versions: &Value, by: &str) -> Wanted {
        let list = json!([{"package": "a/b", "version": versions}]);
        let render = |text: &str, _: &str| Ok(Value::from(text));
        entries(&list, "packages.yml", by, &render).expect("a good entry").remove(0).wanted
    }

    fn about() -> Map<String, Value> {
        let version = |dbt: &Value| json!({"name": "b", "packages": [], "downloads": {"tarball": "http://x/b.tar.gz"}, "require_dbt_version": dbt});
        let all = json!({"name": "b", "versions": {
            "1.0.0": version(&json!([])), "1.2.0": version(&json!([">=1.3.0", "<2.0.0"])), "1.10.0": version(&json!(">=1.0.0")),
            "2.0.0": version(&json!([">=2.0.0"])), "1.11.0-rc1": version(&Value::Null),
        }});
        all.as_object().cloned().expect("a map")
    }

    #[test]
    fn the_newest_that_runs_with_our_dbt_is_chosen() {
        let chosen = choose(&wanted(&json!([">=1.0.0", "<1.10.0"]), "p"), &about()).expect("there is one");
        assert_eq!((chosen.version.as_str(), chosen.latest.as_str()), ("1.2.0", "1.10.0"));
        let chosen = choose(&wanted(&json!(">=1.0.0-a"), "p"), &about()).expect("there is one");
        assert_eq!(chosen.version, "1.11.0-rc1");
    }

    #[test]
    fn a_conflict_names_both_who_ask() {
        let mut both = wanted(&json!(">=1.10.0"), "packages.yml");
        both.incorporate(wanted(&json!("<1.10.0"), "package c")).expect("one kind");
        let error = choose(&both, &about()).expect_err("there is none").to_string();
        assert_eq!(
            error,
            "package a/b: no version is as asked: >=1.10.0 (packages.yml) and <1.10.0 (package c); the newest that run with dbt 1.10.23 are 1.10.0, 1.2.0, 1.0.0"
        );
    }

    #[test]
    fn a_package_that_moved_says_where_to() {
        let about = json!({"namespace": "fishtown", "name": "b", "redirectnamespace": "dbt-labs"});
        assert_eq!(moved("fishtown/b", about.as_object().expect("a map")).as_deref(), Some("dbt-labs/b"));
        assert_eq!(moved("a/b", &Map::from_iter([("name".to_owned(), "b".into())])), None);
    }
}
