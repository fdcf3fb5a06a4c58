//! Whom a session believes. Requests have no such choice: they believe what rustls does.
//!
//! Databases have authorities of their own, and certificates that the rules of the web do not know: one that the server made for
//! itself, one of version 1, one whose name stands in its subject. Whoever lists such a certificate or its authority means it, and
//! libpq accepts it; so does this. None of that holds for the authorities of the system. What is listed and no authority's is
//! believed itself, and nothing that its key has signed.

use std::cmp::Ordering;
use std::error::Error as StdError;
use std::iter;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::TlsError;
use super::certificate::Certificate;

/// Believes servers that show a certificate of these authorities.
#[derive(Debug)]
pub struct Authorities {
    /// None where nothing that is listed may sign now.
    chain: Option<Arc<WebPkiServerVerifier>>,
    handshake: Handshake,
    /// The certificates that the user listed; none where the authorities are the system's.
    listed: Vec<CertificateDer<'static>>,
    verify_name: bool,
}

impl Authorities {
    /// Those of the system.
    pub fn of_system(roots: Arc<RootCertStore>, verify_name: bool) -> Result<Authorities, TlsError> {
        let (chain, handshake) = (Some(chain(roots)?), Handshake::new());
        Ok(Authorities { chain, handshake, listed: Vec::new(), verify_name })
    }

    /// The certificates that the user listed; `roots` are those of them that may sign.
    pub fn listed(
        roots: RootCertStore,
        listed: Vec<CertificateDer<'static>>,
        verify_name: bool,
    ) -> Result<Authorities, TlsError> {
        let chain = if roots.is_empty() { None } else { Some(chain(Arc::new(roots))?) };
        Ok(Authorities { chain, handshake: Handshake::new(), listed, verify_name })
    }

    /// By the rules of the web.
    fn verify_chain(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // rustls does not look at what a key is for. Of the system's authorities that is its affair, as it is of requests.
        let may_sign = |certificate: &&CertificateDer<'_>| {
            self.listed.is_empty() || Certificate::parse(certificate).is_some_and(|certificate| certificate.may_sign())
        };
        let signers: Vec<CertificateDer<'_>> = intermediates.iter().filter(may_sign).cloned().collect();
        let verified = match &self.chain {
            Some(chain) => chain.verify_server_cert(shown, &signers, name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verified.map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer)
                if iter::once(shown).chain(intermediates).any(|certificate| self.is_of_expired(certificate, now)) =>
            {
                let cause = "that of its authority, which is listed, has expired";
                CertificateError::Other(OtherError(Arc::from(Box::<dyn StdError + Send + Sync>::from(cause)))).into()
            }
            error => error,
        })
    }

    /// Whether it comes from one that is listed and could sign once.
    fn is_of_expired(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        let Some(certificate) = Certificate::parse(certificate) else { return false };
        self.listed.iter().filter_map(|listed| Certificate::parse(listed)).any(|authority| {
            authority.subject == certificate.issuer
                && authority.may_sign()
                && authority.validity_at(now.as_secs()) == Ordering::Greater
        })
    }

    /// A certificate without a list of names, whose subject has this one. Whoever bounds the names does so for lists.
    fn has_common_name(&self, shown: &CertificateDer<'_>, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> bool {
        let bounds = |certificate: &CertificateDer<'_>| {
            Certificate::parse(certificate).is_none_or(|certificate| certificate.bounds_names())
        };
        !self.listed.is_empty() && !self.listed.iter().chain(chain).any(bounds) && verify_name(shown, name).is_ok()
    }

    /// A certificate that the rules of the web refuse, and the user's list does not.
    fn verify_listed(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        let certificate = Certificate::parse(shown)?;
        let is_listed = self.listed.iter().any(|listed| listed == shown);
        if !is_listed
            && !self.listed.iter().any(|authority| self.handshake.signed_directly(&certificate, authority, now))
        {
            return None;
        }
        let verified = require_valid(&certificate, now);
        Some(verified.and_then(|()| if self.verify_name { verify_name(shown, name) } else { Ok(()) }))
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verify_chain(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(error) = verified else { return verified };
        let accepted = match &error {
            // The name is looked at last: the rest is as it should be.
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => !self.verify_name || self.has_common_name(end_entity, intermediates, server_name),
            _ => match self.verify_listed(end_entity, server_name, now) {
                Some(verified) => return verified.map(|()| ServerCertVerified::assertion()),
                None => false,
            },
        };
        match error {
            _ if accepted => Ok(ServerCertVerified::assertion()),
            // rustls says only that an authority's certificate is no server's.
            Error::InvalidCertificate(CertificateError::Other(_)) if is_self_signed(end_entity) => {
                Err(CertificateError::UnknownIssuer.into())
            }
            error => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.handshake.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.handshake.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.handshake.algorithms.supported_schemes()
    }
}

/// Believes every server. That it has the key of the certificate that it shows is checked all the same.
#[derive(Debug)]
pub struct Anyone(Handshake);

impl Anyone {
    /// With the host's algorithms.
    pub fn new() -> Anyone {
        Anyone(Handshake::new())
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}

/// That a server has the key of its certificate.
#[derive(Debug)]
struct Handshake {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Handshake {
    fn new() -> Handshake {
        Handshake { algorithms: super::provider().signature_verification_algorithms }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let refused = match ParsedCertificate::try_from(certificate) {
            Ok(_) => return verify_tls13_signature(message, certificate, signature, &self.algorithms),
            Err(refused) => refused,
        };
        // Of version 1: rustls does not read it, but it has a key like any.
        let certificate = Certificate::parse(certificate).ok_or(refused)?;
        let key = SubjectPublicKeyInfoDer::from(certificate.key_info);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    /// Whether `authority` itself signed a certificate of version 1. Later versions say what they are for, and are rustls's to
    /// judge.
    fn signed_directly(&self, certificate: &Certificate<'_>, authority: &CertificateDer<'_>, now: UnixTime) -> bool {
        let Some(authority) = Certificate::parse(authority) else { return false };
        // One that bounds the names does so for certificates that list theirs.
        let may_sign = authority.may_sign() && !authority.bounds_names();
        certificate.is_first_version
            && may_sign
            && authority.subject == certificate.issuer
            && require_valid(&authority, now).is_ok()
            && self.algorithms.all.iter().any(|algorithm| {
                algorithm.signature_alg_id().as_ref() == certificate.signature_algorithm
                    && algorithm.public_key_alg_id().as_ref() == authority.key_algorithm
                    && algorithm.verify_signature(authority.key, certificate.signed, certificate.signature).is_ok()
            })
    }
}

fn chain(roots: Arc<RootCertStore>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let chain = WebPkiServerVerifier::builder_with_provider(roots, super::provider()).build();
    chain.map_err(|error| TlsError::Invalid(format!("the authorities can not be used: {error}")))
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    Certificate::parse(certificate).is_some_and(|certificate| certificate.subject == certificate.issuer)
}

fn require_valid(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    match certificate.validity_at(now.as_secs()) {
        Ordering::Less => Err(CertificateError::NotValidYet.into()),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(CertificateError::Expired.into()),
    }
}

/// By the names that the certificate is for; where it has no list of them, by the common name of its subject.
fn verify_name(shown: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    if let Ok(certificate) = ParsedCertificate::try_from(shown)
        && verify_server_name(&certificate, name).is_ok()
    {
        return Ok(());
    }
    let refused = || Error::from(CertificateError::NotValidForName);
    let certificate = Certificate::parse(shown).ok_or_else(refused)?;
    let name = name.to_str();
    let fits = !certificate.lists_names() && certificate.common_name().is_some_and(|common| fits(common, &name));
    if fits { Ok(()) } else { Err(refused()) }
}

/// Whether a name is meant by another, whose first part may be a `*`.
fn fits(pattern: &str, name: &str) -> bool {
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let (Some(("*", pattern)), Some((first, name))) = (pattern.split_once('.'), name.split_once('.')) else {
        return false;
    };
    !first.is_empty() && pattern.contains('.') && pattern.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn common_names_are_compared_as_names() {
        for (pattern, name) in [
            ("db.example.com", "db.example.com"),
            ("DB.example.com", "db.Example.com"),
            ("*.example.com", "db.example.com"),
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "localhost"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("db.example.com", "db.example.org"),
            ("example.com", "db.example.com"),
            ("*.example.com", "example.com"),
            ("*.example.com", ".example.com"),
            ("*.example.com", "a.db.example.com"),
            ("*.com", "example.com"),
            ("*", "localhost"),
            ("*", "db.example.com"),
            ("d*.example.com", "db.example.com"),
            ("", "db"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
