//! What a guest wants of a session, read and checked: names, certificates, keys. What is in them is told to nobody: an error
//! says which of them is wrong, and a private key is only ever compared.

use std::cmp::Ordering;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};

use super::certificate::Certificate;
use super::verifier::{Anyone, Authorities};
use super::{Network, TlsError};
use crate::sandbox::network::NAME_BYTES;

/// So many protocols may be offered, each of as many bytes as TLS has room for.
const PROTOCOLS: usize = 64;
const PROTOCOL_BYTES: usize = 255;

/// What a client wants.
pub struct TlsOptions {
    /// The server's name or IP address.
    pub server_name: String,
    /// Which servers are believed.
    pub trust: Trust,
    /// Whether the certificate has to be for that name.
    pub verify_name: bool,
    /// What the client shows, if the server asks.
    pub identity: Option<Identity>,
    /// ALPN.
    pub application_protocols: Vec<String>,
}

/// Which servers are believed to be who they say they are.
pub enum Trust {
    /// Those of the authorities that the user trusts.
    System,
    /// Those of the authorities with these certificates, in PEM.
    Authorities(String),
    /// Any.
    Anyone,
}

/// What a client shows, in PEM.
pub struct Identity {
    /// Its certificate, and those up to its authority.
    pub certificates: String,
    /// Its key.
    pub private_key: String,
}

impl TlsOptions {
    /// The server's name as TLS has it.
    pub fn name(&self) -> Result<ServerName<'static>, TlsError> {
        let name = self.server_name.trim_end_matches('.');
        let name = name.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(name);
        ServerName::try_from(name.to_owned()).map_err(|_| {
            TlsError::Invalid(if name.len() > NAME_BYTES {
                "the server's name is longer than a name can be".to_owned()
            } else {
                format!("{name:?} is neither the name of a server nor an IP address")
            })
        })
    }

    /// The settings of a session.
    pub fn config(self, network: &Network) -> Result<ClientConfig, TlsError> {
        let verifier: Arc<dyn ServerCertVerifier> = match &self.trust {
            Trust::System => {
                let roots = network.roots();
                if roots.is_empty() {
                    return Err(TlsError::Untrusted("no authority is trusted on this machine".to_owned()));
                }
                Arc::new(Authorities::of_system(roots, self.verify_name)?)
            }
            Trust::Authorities(pem) => {
                let listed = certificates(pem, "the certificates of the authorities")?;
                Arc::new(Authorities::listed(roots(&listed, UnixTime::now())?, listed, self.verify_name)?)
            }
            Trust::Anyone => Arc::new(Anyone::new()),
        };
        let builder = super::builder().dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certificates = certificates(&identity.certificates, "the client's certificate")?;
                let key = private_key(&identity.private_key)?;
                builder
                    .with_client_auth_cert(certificates, key)
                    .map_err(|error| TlsError::Invalid(wrong_key(&error)))?
            }
        };
        config.alpn_protocols = protocols(self.application_protocols)?;
        // Each session has settings of its own, so none can be taken up again.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    // The reader's own errors quote what they read, and that may be a key which was put in the wrong place.
    let found = found.map_err(|_| TlsError::Invalid(format!("{what} can not be read: they are not whole PEM")))?;
    if found.is_empty() {
        return Err(TlsError::Invalid(format!("{what} can not be read: there is no -----BEGIN CERTIFICATE-----")));
    }
    Ok(found)
}

/// Those that may sign, and may now: rustls asks no authority for either.
fn roots(listed: &[CertificateDer<'static>], now: UnixTime) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in listed.iter().enumerate() {
        let damaged = || {
            let number = index + 1;
            TlsError::Invalid(format!("certificate {number} of the authorities is damaged or of an unknown kind"))
        };
        let parsed = Certificate::parse(certificate).ok_or_else(damaged)?;
        if parsed.may_sign() && parsed.validity_at(now.as_secs()) == Ordering::Equal {
            roots.add(certificate.clone()).map_err(|_| damaged())?;
        }
    }
    Ok(roots)
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        let advice = "it is encrypted. Decrypt it (`openssl pkey -in KEY -out DECRYPTED`) and give that";
        return Err(TlsError::Invalid(format!("the client's private key can not be used: {advice}")));
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        TlsError::Invalid("the client's private key can not be read: it is no whole key in PEM".to_owned())
    })
}

fn wrong_key(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "the client's private key is not that of its certificate".to_owned(),
        rustls::Error::InvalidCertificate(_) => "the client's certificate is damaged or of an unknown kind".to_owned(),
        _ => "the client's private key is damaged or of an unknown kind: RSA, ECDSA and Ed25519 are known".to_owned(),
    }
}

fn protocols(named: Vec<String>) -> Result<Vec<Vec<u8>>, TlsError> {
    if named.len() > PROTOCOLS || named.iter().any(|name| name.is_empty() || name.len() > PROTOCOL_BYTES) {
        let bounds = format!("there may be {PROTOCOLS}, each of 1 to {PROTOCOL_BYTES} bytes");
        return Err(TlsError::Invalid(format!("the application protocols can not be offered: {bounds}")));
    }
    Ok(named.into_iter().map(String::into_bytes).collect())
}
