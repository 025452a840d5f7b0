//! Until when the certificates are good that a server showed.
//!
//! A look at what passes by: whoever verifies verifies as before. Nothing but the date is kept.

use chrono::{DateTime, NaiveDateTime, Utc};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// What is known of a server's certificates. Cheap to clone; all clones know the same.
#[derive(Clone, Debug, Default)]
pub struct PeerCertificate {
    /// Seconds since 1970; 0: none was seen.
    expires: Arc<AtomicI64>,
}

impl PeerCertificate {
    /// When the first of those expires that the server showed last; `None` before it has shown any.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        let seconds = self.expires.load(Ordering::Relaxed);
        DateTime::from_timestamp(seconds, 0).filter(|_| seconds != 0)
    }

    /// Takes in what a server shows; one that can't be read says nothing of its end.
    fn take<'a>(&self, shown: impl Iterator<Item = &'a CertificateDer<'a>>) {
        if let Some(first) = shown.filter_map(|certificate| not_after(certificate)).min() {
            self.expires.store(first.timestamp(), Ordering::Relaxed);
        }
    }
}

/// Verifies as another does, and takes in what was shown, also where it is refused.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    pub(super) peer: PeerCertificate,
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.peer.take(std::iter::once(end_entity).chain(intermediates));
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}

/// The end of a certificate's validity: RFC 5280, section 4.1.
fn not_after(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    // The version may be left out; serial number, algorithm and issuer may not.
    let skipped = if *rest.first()? == VERSION { 4 } else { 3 };
    for _ in 0..skipped {
        (_, _, rest) = element(rest)?;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, after) = element(validity)?;
    let (tag, time, _) = element(after)?;
    let time = std::str::from_utf8(time).ok()?;
    let whole = match tag {
        // Two figures of the year: section 4.1.2.5.1.
        UTC_TIME => format!("{}{time}", if time.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => time.to_owned(),
        _ => return None,
    };
    NaiveDateTime::parse_from_str(&whole, "%Y%m%d%H%M%SZ").ok().map(|time| time.and_utc())
}

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first element of DER (X.690, section 8.1): its tag, its content, and what comes behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&length, bytes) = bytes.split_first()?;
    let (length, bytes) = match length {
        0..=0x7f => (usize::from(length), bytes),
        // More than four bytes of length would be more than a certificate has.
        0x81..=0x84 => {
            let (length, bytes) = bytes.split_at_checked(usize::from(length & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), bytes)
        }
        _ => return None,
    };
    let (content, behind) = bytes.split_at_checked(length)?;
    Some((tag, content, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut element = vec![tag];
        match u8::try_from(length) {
            Ok(length @ 0..=0x7f) => element.push(length),
            _ => element.extend([0x82, u8::try_from(length >> 8).expect("short"), (length & 0xff) as u8]),
        }
        element.extend(content);
        element
    }

    /// As much of a certificate as comes before its end is told, with an issuer of some length.
    fn certificate(version: bool, end: (u8, &str)) -> Vec<u8> {
        let validity = [der(UTC_TIME, b"250101000000Z"), der(end.0, end.1.as_bytes())].concat();
        let mut signed = if version { der(VERSION, &der(2, &[2])) } else { Vec::new() };
        signed.extend([der(2, &[7; 16]), der(0x30, b""), der(0x30, &[b'x'; 300]), der(0x30, &validity)].concat());
        der(0x30, &[der(0x30, &signed), der(0x30, b""), der(3, b"")].concat())
    }

    #[test]
    fn the_end_of_a_certificate_is_found_in_both_ways_of_writing_it() {
        let told = |version, end| not_after(&certificate(version, end)).map(|time| time.to_rfc3339());
        assert_eq!(told(true, (UTC_TIME, "270203040506Z")).as_deref(), Some("2027-02-03T04:05:06+00:00"));
        assert_eq!(told(false, (UTC_TIME, "500203040506Z")).as_deref(), Some("1950-02-03T04:05:06+00:00"));
        assert_eq!(told(true, (GENERALIZED_TIME, "20630203040506Z")).as_deref(), Some("2063-02-03T04:05:06+00:00"));
        assert_eq!(told(true, (0x04, "270203040506Z")), None);
    }

    #[test]
    fn the_first_end_of_a_chain_counts_and_what_is_no_certificate_does_not() {
        let of = |end| CertificateDer::from(certificate(true, (UTC_TIME, end)));
        let (long, short, none) = (of("301231000000Z"), of("261231000000Z"), CertificateDer::from(vec![0x30, 0x85]));
        let peer = PeerCertificate::default();
        peer.take([&none].into_iter());
        assert_eq!(peer.expires_at(), None);
        peer.take([&long, &none, &short].into_iter());
        let told = peer.expires_at().map(|time| time.to_rfc3339());
        assert_eq!(told.as_deref(), Some("2026-12-31T00:00:00+00:00"));
    }

    #[test]
    fn a_certificate_that_is_cut_off_anywhere_says_nothing_and_breaks_nothing() {
        let whole = certificate(true, (UTC_TIME, "270203040506Z"));
        assert!((0..whole.len()).all(|length| not_after(&whole[..length]).is_none()));
    }
}
