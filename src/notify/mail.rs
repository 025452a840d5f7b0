//! Messages by mail.
//!
//! Guarantee: a send takes so long and not longer, and no error holds what the server said: it may quote anything.

use super::{Undelivered, innermost};
use crate::config::{self, MailTls, authorities};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};
use std::time::Duration;
use tokio::time::timeout;

/// From the connection to the server's word that it has the mail.
const SECONDS_MAX: u64 = 20;

/// A mail server, and whom mail goes from and to.
#[derive(Debug)]
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    host: String,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    /// By its configuration.
    ///
    /// # Errors
    /// In words, where no authority can be read, or an address is none.
    pub(super) fn new(config: &config::Notify) -> Result<Self, String> {
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|_| "an address is none".to_owned());
        let parameters = || -> Result<TlsParameters, String> {
            let mut builder = TlsParameters::builder(config.host.clone()).certificate_store(CertificateStore::None);
            for authority in authorities(config.tls_ca_file.as_deref())? {
                let authority = Certificate::from_der(authority.to_vec()).map_err(|e| e.to_string())?;
                builder = builder.add_root_certificate(authority);
            }
            builder.build_rustls().map_err(|e| e.to_string())
        };
        let tls = match config.tls {
            MailTls::Starttls => Tls::Required(parameters()?),
            MailTls::Implicit => Tls::Wrapper(parameters()?),
            MailTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.clone())
            .port(config.mail_port())
            .tls(tls)
            .timeout(Some(Duration::from_secs(SECONDS_MAX)));
        if !config.user.is_empty() {
            builder = builder.credentials(Credentials::new(config.user.clone(), config.password.reveal().to_owned()));
        }
        Ok(Self {
            transport: builder.build(),
            host: config.host.clone(),
            from: mailbox(&config.from)?,
            to: config.to.iter().map(mailbox).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends one mail to all.
    pub(super) async fn send(&self, subject: &str, text: String) -> Result<String, Undelivered> {
        let mut builder = Message::builder().from(self.from.clone()).subject(subject).message_id(None);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let mail = builder
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|error| Undelivered::new(format!("the mail can't be written: {error}")))?;
        match timeout(Duration::from_secs(SECONDS_MAX), self.transport.send(mail)).await {
            Ok(Ok(response)) => Ok(format!("{} has taken the mail: {}", self.host, response.code())),
            Ok(Err(error)) => Err(self.unsent(&error)),
            Err(_) => Err(Undelivered::new(format!("{} did not take the mail within {SECONDS_MAX} s", self.host))),
        }
    }

    fn unsent(&self, error: &lettre::transport::smtp::Error) -> Undelivered {
        let host = &self.host;
        let text = match error.status() {
            Some(code) => format!("{host} refused the mail with {code}"),
            None if error.is_timeout() => format!("{host} did not answer in time"),
            None if error.is_tls() => format!("{host} speaks no TLS that is trusted"),
            None if error.is_client() => format!("{host} can't do what is asked of it, such as STARTTLS"),
            // Its parts are the system's and rustls' words, and none of the server's.
            None if !error.is_response() => format!("no connection to {host}: {}", innermost(error)),
            None => format!("{host} does not speak as a mail server does"),
        };
        Undelivered { text, answer: error.to_string(), retry_after: None, is_refused: error.is_permanent() }
    }
}
