//! `[traces]`: where what runs took is sent.

use super::{
    Problem, Secret,
    address::http_address,
    tls::{TlsMode, check_authority},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use url::Url;

/// Below the base address, as OTLP has it for HTTP.
const SIGNAL: [&str; 2] = ["v1", "traces"];

/// The collector that takes spans of runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Its base address, by OTLP over HTTP; empty: what OpenTelemetry's own variables name, if they do.
    pub endpoint: String,
    /// Sent with each message: `name=value,name=value`. A secret, because they show who may send.
    pub headers: Secret,
    /// A file that holds the headers.
    pub headers_file: Option<PathBuf>,
    /// Authorities that are trusted instead of the system's, in PEM.
    pub tls_ca_file: Option<PathBuf>,
}

impl Traces {
    /// Where spans are sent to; `None` where the configuration names no collector.
    pub fn address(&self) -> Option<Url> {
        below_base(&self.endpoint)
    }

    /// Names and values of the headers.
    pub fn header_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(self.headers.reveal()).flatten()
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        self.problems(cfg!(feature = "otel"))
    }

    fn problems(&self, is_built_in: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.endpoint.is_empty() {
            if let Err(cause) = http_address(&self.endpoint) {
                problems.push(Problem::new("traces.endpoint", cause, "write it as http://127.0.0.1:4318"));
            } else if !is_built_in {
                problems.push(Problem::new(
                    "traces.endpoint",
                    "is given, but this program was built without traces",
                    "build it with cargo build --release --features otel, or take the key away",
                ));
            }
        }
        if pairs(self.headers.reveal()).any(|pair| pair.is_none()) {
            let remedy = "write name=value,name=value, best into headers_file";
            problems.push(Problem::new("traces.headers", "are none that HTTP knows", remedy));
        }
        problems.extend(check_authority("traces", TlsMode::VerifyFull, self.tls_ca_file.as_deref()));
        problems
    }
}

/// What spans are sent to, by the base of its address.
pub fn below_base(base: &str) -> Option<Url> {
    let mut url = http_address(base).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(SIGNAL);
    Some(url)
}

/// Each header as it is written; `None` for what is none.
fn pairs(text: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let is_value = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        (is_name && is_value).then_some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(endpoint: &str, headers: &str) -> Traces {
        Traces { endpoint: endpoint.to_owned(), headers: Secret::new(headers), ..Traces::default() }
    }

    fn told(traces: &Traces, is_built_in: bool) -> Vec<String> {
        traces.problems(is_built_in).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_program_without_the_feature_says_so_and_how_to_build_it() {
        let asked = traces("http://127.0.0.1:4318", "");
        assert_eq!(told(&asked, true), Vec::<String>::new());
        let told = told(&asked, false);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("built without traces") && told[0].contains("--features otel"), "{told:?}");
        assert_eq!(Traces::default().problems(false), []);
    }

    #[test]
    fn what_is_no_address_and_no_header_is_told_without_a_word_of_it() {
        for (endpoint, headers, key) in [
            ("hunter2", "", "traces.endpoint"),
            ("grpc://hunter2:4317", "", "traces.endpoint"),
            ("", "hunter2", "traces.headers"),
            ("", "a b=hunter2", "traces.headers"),
            ("", "a=1,b=hunt\u{e9}r2", "traces.headers"),
        ] {
            let told = told(&traces(endpoint, headers), true);
            assert_eq!(told.len(), 1, "{endpoint} {headers}: {told:?}");
            assert!(told[0].starts_with(key) && !told[0].contains("hunt"), "{told:?}");
        }
    }

    #[test]
    fn spans_go_below_the_base_address() {
        let address = |base: &str| traces(base, "").address().map(String::from);
        assert_eq!(address("http://tempo:4318").as_deref(), Some("http://tempo:4318/v1/traces"));
        assert_eq!(address("https://otlp.example/otlp/").as_deref(), Some("https://otlp.example/otlp/v1/traces"));
        assert_eq!(address(""), None);
    }

    #[test]
    fn headers_keep_what_follows_the_first_sign_of_equality() {
        let given = traces("", "Authorization=Basic dXNlcjpw==, X-Scope-OrgID = clinic,");
        let pairs: Vec<(&str, &str)> = given.header_pairs().collect();
        assert_eq!(pairs, [("Authorization", "Basic dXNlcjpw=="), ("X-Scope-OrgID", "clinic")]);
    }
}
