//! Messages by HTTP.
//!
//! Guarantee: an answer is waited for so long and not longer, no redirect is followed, and no error names more of
//! the address than its host.

use super::{Undelivered, innermost};
use crate::config::{PeerCertificate, Secret, TlsMode};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde_json::Value;
use std::{path::Path, time::Duration};
use url::Url;

/// From the first byte to the last.
const SECONDS_MAX: u64 = 10;
/// As much of an answer is read, to be shown to who tries it by hand.
const ANSWER_BYTES_MAX: usize = 500;
/// Nobody is obeyed who asks for more patience.
const RETRY_AFTER_SECONDS_MAX: u64 = 3600;

/// One address that takes messages.
#[derive(Debug)]
pub(super) struct Post {
    client: Client,
    address: Url,
    host: String,
    token: Secret,
}

impl Post {
    /// An address, and who vouches for it: the system's authorities, or those of a file.
    ///
    /// # Errors
    /// In words, where no authority can be read.
    pub(super) fn new(address: Url, token: Secret, authority: Option<&Path>) -> Result<Self, String> {
        let mut builder = Client::builder()
            .timeout(Duration::from_secs(SECONDS_MAX))
            .redirect(Policy::none())
            // A message in hours: what has been idle since is no connection any more.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("amalgam/", env!("CARGO_PKG_VERSION")));
        // Without TLS, a system without authorities will do.
        if address.scheme() == "https" {
            let tls = TlsMode::VerifyFull.client(authority, &PeerCertificate::default())?;
            builder = builder.tls_backend_preconfigured(tls.ok_or("TLS is not to be had")?);
        }
        let client = builder.build().map_err(|error| innermost(&error))?;
        let host = address.host_str().unwrap_or_default().to_owned();
        Ok(Self { client, address, host, token })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn token(&self) -> &str {
        self.token.reveal()
    }

    /// Sends JSON.
    pub(super) async fn send(&self, body: &Value, shows_token: bool) -> Result<String, Undelivered> {
        let mut request =
            self.client.post(self.address.clone()).header(CONTENT_TYPE, "application/json").body(body.to_string());
        if shows_token && !self.token.is_empty() {
            let mut token = HeaderValue::from_str(&format!("Bearer {}", self.token.reveal()))
                .map_err(|_| Undelivered::new("the token holds what no header can"))?;
            token.set_sensitive(true);
            request = request.header(AUTHORIZATION, token);
        }
        self.ask(request).await
    }

    /// Fetches it.
    pub(super) async fn fetch(&self) -> Result<String, Undelivered> {
        self.ask(self.client.get(self.address.clone())).await
    }

    async fn ask(&self, request: RequestBuilder) -> Result<String, Undelivered> {
        let response = request.send().await.map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        let after = retry_after(&response);
        let answer = shown(response).await;
        if status.is_success() {
            return Ok(format!("{} answered {status}: {answer}", self.host));
        }
        let again =
            status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        let text = format!("{} answered {status}", self.host);
        Err(Undelivered { text, answer, retry_after: after, is_refused: !again })
    }

    fn unanswered(&self, error: &reqwest::Error) -> Undelivered {
        let host = &self.host;
        Undelivered::new(match error {
            _ if error.is_timeout() => format!("{host} did not answer within {SECONDS_MAX} s"),
            _ if error.is_connect() => format!("no connection to {host}: {}", innermost(error)),
            _ => format!("{host} broke off: {}", innermost(error)),
        })
    }
}

/// Seconds alone: a date would need both clocks to agree.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)))
}

/// The beginning of an answer, in one line.
async fn shown(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend(chunk.iter().take(ANSWER_BYTES_MAX - bytes.len()));
        if bytes.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
}
