//! How far TLS is demanded of either server, whose word is trusted, and what both mean to rustls.

use super::{PeerCertificate, Problem, peer::Watching, problem::unreadable};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use serde::{Deserialize, Serialize};
use std::{fs::File, path::Path, sync::Arc};

/// How far TLS is demanded. Named after libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Plain text: for sockets and the same machine.
    #[default]
    Disable,
    /// Encrypted, whoever answers: guards against listening only.
    Require,
    /// Encrypted, and the certificate names the host and comes from a known authority.
    VerifyFull,
}

impl TlsMode {
    /// The client that it asks for; `None` for plain text. Without a file, the system's authorities are trusted.
    /// What the server shows is told to `peer`.
    ///
    /// # Errors
    /// In words, where the file can't be read or holds no certificate.
    pub fn client(self, authority: Option<&Path>, peer: &PeerCertificate) -> Result<Option<ClientConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Self::Disable => return Ok(None),
            Self::Require => Arc::new(AnyCertificate(Arc::clone(&provider))),
            Self::VerifyFull => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(authorities(authority)?);
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                    .build()
                    .map_err(|e| e.to_string())?
            }
        };
        let verifier = Arc::new(Watching { verifier, peer: peer.clone() });
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|e| e.to_string())?;
        Ok(Some(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
    }
}

/// The authorities that are trusted: those of a file in PEM, else the system's.
///
/// # Errors
/// In words, where the file can't be read or holds no certificate, or the system has none.
pub fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    let (trusted, none) = match file {
        Some(file) => (in_file(file)?, format!("tls_ca_file {} holds no certificate in PEM", file.display())),
        None => (of_system(), "this system has no authorities; name one in tls_ca_file".to_owned()),
    };
    if trusted.is_empty() { Err(none) } else { Ok(trusted) }
}

fn in_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("reading tls_ca_file {}: {e}", file.display());
    let mut trusted = Vec::new();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))? {
        let certificate = certificate.map_err(|e| wrong(&e))?;
        may_vouch(&certificate).map_err(|e| wrong(&e))?;
        trusted.push(certificate);
    }
    Ok(trusted)
}

/// But for those that rustls can't read: one such is no reason to trust none.
fn of_system() -> Vec<CertificateDer<'static>> {
    let all = rustls_native_certs::load_native_certs().certs.into_iter();
    all.filter(|certificate| may_vouch(certificate).is_ok()).collect()
}

fn may_vouch(certificate: &CertificateDer<'static>) -> Result<(), rustls::Error> {
    RootCertStore::empty().add(certificate.clone())
}

/// The file of the authority must be readable, and be of use.
pub(super) fn check_authority(section: &str, tls: TlsMode, file: Option<&Path>) -> Option<Problem> {
    let key = format!("{section}.tls_ca_file");
    let file = file?;
    if tls != TlsMode::VerifyFull {
        let mode = if tls == TlsMode::Disable { "disable" } else { "require, which vouches for nobody" };
        return Some(Problem::new(
            key,
            format!("is given, but {section}.tls is {mode}"),
            format!("set {section}.tls to verify-full, or take the file away"),
        ));
    }
    let error = File::open(file).err()?;
    let cause = format!("can't read {}: {}", file.display(), unreadable(&error));
    Some(Problem::new(key, cause, "name a PEM file that this user may read"))
}

/// `require`: encrypted, whoever answers, as libpq's `sslmode=require` has it. The handshake's
/// signatures are checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
