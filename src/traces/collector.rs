//! The collector: where it is, who vouches for it, and under which name it is told.
//!
//! Guarantee: a send is over after [`SEND_TIME_MAX`], no redirect is followed, and nothing that is told of a
//! collector names more of its address than the host.

use super::{is_disabled, named_by, of_process};
use crate::config::{self, PeerCertificate, TlsMode, below_base};
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use reqwest::{Client, redirect::Policy};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// One message, with all its tries.
pub(super) const SEND_TIME_MAX: Duration = Duration::from_secs(10);

/// Who is told.
pub(super) struct Collector {
    pub(super) exporter: SpanExporter,
    pub(super) host: String,
}

impl Collector {
    /// The one that is named; `None` where none is.
    ///
    /// # Errors
    /// In words, where it can't be spoken to.
    pub(super) fn new(config: &config::Traces) -> Result<Option<Self>, String> {
        let Some(address) = address(config)? else { return Ok(None) };
        let host = address.host_str().unwrap_or_default().to_owned();
        let headers: HashMap<String, String> =
            config.header_pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client(&address, config.tls_ca_file.as_deref())?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address)
            // Those of the environment are added by the exporter itself.
            .with_headers(headers)
            .with_timeout(SEND_TIME_MAX)
            .build()
            .map_err(|_| "a variable of OpenTelemetry's has a value that can't be heeded")?;
        Ok(Some(Self { exporter, host }))
    }
}

/// What the configuration names stands above what the environment names for every program.
fn address(config: &config::Traces) -> Result<Option<Url>, String> {
    if is_disabled(of_process) {
        return Ok(None);
    }
    if let Some(address) = config.address() {
        return Ok(Some(address));
    }
    let Some((variable, value)) = named_by(of_process) else { return Ok(None) };
    // The one of a signal is the whole address, the other one its base.
    let address = match variable.contains("TRACES") {
        true => Url::parse(&value).ok().filter(|url| matches!(url.scheme(), "http" | "https")),
        false => below_base(&value),
    };
    address.map(Some).ok_or_else(|| format!("{variable} is no address of HTTP"))
}

fn client(address: &Url, authority: Option<&Path>) -> Result<Client, String> {
    let mut builder = Client::builder()
        .timeout(SEND_TIME_MAX)
        .redirect(Policy::none())
        .user_agent(concat!("amalgam/", env!("CARGO_PKG_VERSION")));
    // Without TLS, a system without authorities will do.
    if address.scheme() == "https" {
        let named = of_process("OTEL_EXPORTER_OTLP_CERTIFICATE").map(PathBuf::from);
        let authority = authority.or(named.as_deref());
        let tls = TlsMode::VerifyFull.client(authority, &PeerCertificate::default())?;
        builder = builder.tls_backend_preconfigured(tls.ok_or("TLS is not to be had")?);
    }
    builder.build().map_err(|_| "no client of HTTP can be made".to_owned())
}

/// Who tells: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, else by the program's own name.
pub(super) fn resource() -> Resource {
    const NAME: &str = "service.name";
    let given = Resource::builder().build();
    let is_named = given.get(&Key::from_static_str(NAME)).is_some_and(|name| !name.as_str().starts_with("unknown"));
    let has_version = given.get(&Key::from_static_str("service.version")).is_some();
    let mut builder = Resource::builder();
    if !is_named {
        builder = builder.with_service_name("amalgam");
    }
    if !has_version {
        builder = builder.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    }
    builder.build()
}
