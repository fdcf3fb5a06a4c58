//! An authority that nobody knows, and the certificates of servers that it made.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A private authority.
pub struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new() -> Authority {
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names are fine");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "A private authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Authority { certificate, key }
    }

    /// Its certificate, as SSL_CERT_FILE has it.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server of this name or address.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        self.server_of(CertificateParams::new(vec![name.to_owned()]).expect("a name"), &[b"http/1.1"])
    }

    /// A server that speaks HTTP/2.
    pub fn http2_server(&self, name: &str) -> Arc<ServerConfig> {
        self.server_of(CertificateParams::new(vec![name.to_owned()]).expect("a name"), &[b"h2"])
    }

    /// A server whose certificate has run out.
    pub fn expired_server(&self, name: &str) -> Arc<ServerConfig> {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        parameters.not_before = date_time_ymd(2001, 1, 1);
        parameters.not_after = date_time_ymd(2002, 1, 1);
        self.server_of(parameters, &[b"http/1.1"])
    }

    /// What a program that takes PEM shows to be of these names or addresses; the first is its common name, too.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.identity_of(parameters(names))
    }

    /// One that has run out.
    pub fn expired_identity(&self, names: &[&str]) -> Identity {
        let mut parameters = parameters(names);
        parameters.not_before = date_time_ymd(2001, 1, 1);
        parameters.not_after = date_time_ymd(2002, 1, 1);
        self.identity_of(parameters)
    }

    fn identity_of(&self, parameters: CertificateParams) -> Identity {
        let (certificate, key) = self.sign(parameters);
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A certificate, and its key.
    pub fn issue(&self, parameters: CertificateParams) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let (certificate, key) = self.sign(parameters);
        (certificate.der().clone(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }

    fn sign(&self, parameters: CertificateParams) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.certificate, &self.key).expect("a certificate");
        (certificate, key)
    }

    fn server_of(&self, parameters: CertificateParams, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(parameters);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("key and certificate belong together");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// A certificate and its key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Identity {
    /// One that no authority has signed.
    pub fn self_signed(names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters(names).self_signed(&key).expect("a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn parameters(names: &[&str]) -> CertificateParams {
    let mut parameters =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("names");
    parameters.distinguished_name.push(DnType::CommonName, names[0]);
    parameters
}
