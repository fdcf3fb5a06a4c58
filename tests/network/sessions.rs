//! TLS over connections that a guest opened itself: whom it believes, what passes, and what comes of doing it wrong.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerConfig, ServerConnection};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{DigitallySignedStruct, SignatureScheme, StreamOwned, SupportedProtocolVersion};
use serde_json::{Value, json};

use super::{outcome, outcomes, run};
use crate::harness::certificates::Authority;
use crate::harness::server::Server;
use crate::harness::{Airlock, Finished, Workspace};

/// Made by OpenSSL as PostgreSQL's manual has it: an authority, and a server's certificate of version 1 without a list of names.
const OPENSSL_AUTHORITY: &str = include_str!("certificates/authority.pem");
const FIRST_VERSION: &str = include_str!("certificates/first_version.pem");
const FIRST_VERSION_KEY: &str = include_str!("certificates/first_version.key");

/// Of version 1, too: what that server's key has signed, and the authority that it would be if it had signed itself.
const OF_FIRST_VERSION: &str = include_str!("certificates/of_first_version.pem");
const OF_FIRST_VERSION_KEY: &str = include_str!("certificates/of_first_version.key");
const FIRST_VERSION_AUTHORITY: &str = include_str!("certificates/first_version_authority.pem");

/// What clients show, with keys in the forms that tools write.
const CLIENT_RSA: &str = include_str!("certificates/client_rsa.pem");
const CLIENT_PKCS1: &str = include_str!("certificates/client_pkcs1.key");
const CLIENT_EC: &str = include_str!("certificates/client_ec.pem");
const CLIENT_SEC1: &str = include_str!("certificates/client_sec1.key");

type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn conversations(conversations: Value) -> Airlock {
    run("source-tls", &json!({"conversations": conversations}))
        .option("--allow-host", "127.0.0.1")
        .option("--allow-host", "localhost")
}

/// The only one.
#[track_caller]
fn conversation(conversation: Value) -> Value {
    outcome(&conversations(json!([conversation])).run().exits(0))
}

#[track_caller]
fn assert_error(outcome: &Value, parts: &[&str]) {
    let error = outcome["error"].as_str().unwrap_or_else(|| panic!("{outcome}"));
    assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    assert_ne!(outcome["heard"].as_u64().unwrap_or(0), 4, "{outcome}");
}

/// The bytes 0, 1, 2, 3 came, and the server's word that this is all.
#[track_caller]
fn assert_heard(outcome: &Value) {
    assert_eq!(outcome["error"], Value::Null, "{outcome}");
    assert_eq!(
        (&outcome["heard"], &outcome["as_expected"], &outcome["ended"]),
        (&json!(4), &json!(true), &json!(true))
    );
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn config_of((certificate, key): Shown, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    config_of_chain(vec![certificate], key, versions)
}

fn config_of_chain(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let key = provider().key_provider.load_private_key(key).expect("a key");
    // Not `with_single_cert`: rustls reads no certificate of version 1.
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("ring has the versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown))
}

fn server_of(config: ServerConfig) -> Server {
    let config = Arc::new(config);
    Server::start_raw(move |stream| {
        let connection = ServerConnection::new(config.clone()).expect("the settings are right");
        // A client that does not trust it goes: that is for the test to see.
        let _ = serve(StreamOwned::new(connection, stream), true);
    })
}

fn server(shown: Shown) -> Server {
    server_of(config_of(shown, rustls::ALL_VERSIONS))
}

/// Takes as much as it is told there is, and says as much as it is asked for. Then ends, or is cut off.
fn serve(stream: StreamOwned<ServerConnection, TcpStream>, ends: bool) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request)?;
    let mut counts = request.split_whitespace().map(|count| count.parse::<usize>().unwrap_or(0));
    let (said, wanted) = (counts.next().unwrap_or(0), counts.next().unwrap_or(0));
    let taken = io::copy(&mut stream.by_ref().take(said as u64), &mut io::sink())?;
    assert_eq!(taken, said as u64);
    let pattern: Vec<u8> = (0..251_u8).cycle().take(251 * 256).collect();
    let mut stream = stream.into_inner();
    let mut left = wanted;
    while left > 0 {
        let part = &pattern[..pattern.len().min(left)];
        stream.write_all(part)?;
        left -= part.len();
    }
    if ends {
        stream.conn.send_close_notify();
    }
    stream.flush()?;
    stream.sock.shutdown(Shutdown::Write)?;
    // The client's last words.
    io::copy(&mut stream.sock, &mut io::sink()).map(|_| ())
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("a name")
}

/// What the default of `openssl req -x509` is: an authority of its own, with its name in its subject.
fn self_signed(name: &str) -> (Shown, String) {
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names are fine");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    self_signed_with(parameters)
}

fn self_signed_with(parameters: CertificateParams) -> (Shown, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let shown = (certificate.der().clone(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())));
    (shown, certificate.pem())
}

fn first_version() -> Shown {
    of_pem(FIRST_VERSION, FIRST_VERSION_KEY)
}

fn of_pem(certificate: &str, key: &str) -> Shown {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
    (certificate, PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key"))
}

/// One of `localhost` that the key of a certificate like `signer` has signed.
fn signed_by(signer: CertificateParams, key: &KeyPair) -> Shown {
    let signer = signer.self_signed(key).expect("a certificate");
    let own = KeyPair::generate().expect("a key");
    let certificate = named("localhost").signed_by(&own, &signer, key).expect("a certificate");
    (certificate.der().clone(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der())))
}

/// A certificate with this name in its subject, of an authority that does not matter.
fn issued(parameters: &CertificateParams, key: &KeyPair) -> String {
    let authority = KeyPair::generate().expect("a key");
    let mut subject = CertificateParams::new(Vec::new()).expect("no names are fine");
    subject.distinguished_name.push(DnType::CommonName, "An authority");
    let issuer = subject.self_signed(&authority).expect("a certificate");
    parameters.clone().signed_by(key, &issuer, &authority).expect("a certificate").pem()
}

fn of_subject(name: &str) -> CertificateParams {
    let mut parameters = named(name);
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn expired(mut parameters: CertificateParams) -> CertificateParams {
    parameters.not_before = date_time_ymd(2001, 1, 1);
    parameters.not_after = date_time_ymd(2002, 1, 1);
    parameters
}

/// A conversation with a server as `localhost`.
fn with(server: &Server, trust: &str, verify_name: bool) -> Value {
    json!({"at": server.authority(), "server_name": "localhost", "trust": trust, "verify_name": verify_name, "hear": 4})
}

#[test]
fn the_hosts_authorities_are_those_of_requests() {
    let authority = Authority::new();
    let workspace = Workspace::new();
    let (known, unknown) =
        (server(authority.issue(named("localhost"))), server(Authority::new().issue(named("localhost"))));
    let mut told = Vec::new();
    for (server, believed) in [(&known, true), (&unknown, false)] {
        let talk = json!({"at": server.authority(), "server_name": "localhost", "hear": 4});
        let run = conversations(json!([talk, talk])).env("SSL_CERT_FILE", workspace.file("a.pem", authority.pem()));
        let finished = run.run().exits(0);
        for outcome in outcomes(&finished) {
            if believed {
                assert_heard(&outcome);
            } else {
                assert_error(&outcome, &["untrusted", "of the same name"]);
            }
        }
        told.extend(untrusted(&finished).into_iter().map(ToOwned::to_owned));
    }
    assert!(told.len() == 1 && told[0].contains("localhost") && told[0].contains("SSL_CERT_FILE"), "{told:?}");
    // None can be read: nobody is believed, and why is told once.
    let talk = json!({"at": known.authority(), "server_name": "localhost"});
    let finished = conversations(json!([talk, talk])).env("SSL_CERT_FILE", "/nowhere/at-all.pem").run().exits(0);
    for outcome in outcomes(&finished) {
        assert_error(&outcome, &["untrusted"]);
    }
    let warned = finished.logs("WARN").into_iter().filter(|line| line.contains("/nowhere/at-all.pem")).count();
    assert_eq!(warned, 1);
}

/// The lines that tell of a server which could not show who it is.
fn untrusted(finished: &Finished) -> Vec<&str> {
    finished.logs("WARN").into_iter().filter(|line| line.contains("could not show")).collect()
}

#[test]
fn listed_authorities_are_believed_and_no_others() {
    let authority = Authority::new();
    let (right, wrong) = (authority.pem(), Authority::new().pem());
    let localhost = server(authority.issue(named("localhost")));
    assert_heard(&conversation(with(&localhost, &right, true)));
    // One of several, with text between them as tools write it.
    let several = format!("# The old one\n{wrong}\nThe new one:\n{right}");
    assert_heard(&conversation(with(&localhost, &several, true)));
    assert_error(&conversation(with(&localhost, &wrong, false)), &["untrusted", "of the same name"]);

    let another = server(authority.issue(named("another.example.com")));
    assert_error(&conversation(with(&another, &right, true)), &["untrusted", "another name"]);
    assert_heard(&conversation(with(&another, &right, false)));
    assert_error(&conversation(with(&another, &wrong, false)), &["untrusted"]);

    let old = server(authority.issue(expired(named("localhost"))));
    for verify_name in [true, false] {
        assert_error(&conversation(with(&old, &right, verify_name)), &["untrusted", "expired"]);
    }
    let finished = conversations(json!([with(&old, &right, true)])).run().exits(0);
    assert!(untrusted(&finished).is_empty(), "SSL_CERT_FILE is no advice here: {:?}", untrusted(&finished));

    let by_address = server(authority.issue(named("127.0.0.1")));
    let mut talk = with(&by_address, &right, true);
    talk["server_name"] = json!("127.0.0.1");
    assert_heard(&conversation(talk));
}

#[test]
fn anyone_is_believed_where_the_connector_says_so() {
    let unknown = server(Authority::new().issue(expired(named("another.example.com"))));
    let old_kind = server(first_version());
    for server in [&unknown, &old_kind] {
        assert_heard(&conversation(with(server, "anyone", true)));
    }
    // But whoever has a certificate without its key is none of them.
    let (_, key) = Authority::new().issue(named("localhost"));
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let stolen = Authority::new().issue(named("localhost")).0;
        let impostor = server_of(config_of((stolen, key.clone_key()), versions));
        assert_error(&conversation(with(&impostor, "anyone", false)), &["untrusted"]);
    }
}

#[test]
fn a_certificate_that_is_listed_itself_is_believed_for_its_name_and_its_time() {
    let (shown, pem) = self_signed("localhost");
    let own = server(shown);
    assert_heard(&conversation(with(&own, &pem, true)));
    let other = &Authority::new().pem();
    assert_error(&conversation(with(&own, other, false)), &["untrusted: its certificate comes from no authority"]);
    let mut elsewhere = with(&own, &pem, true);
    elsewhere["server_name"] = json!("db.example.com");
    assert_error(&conversation(elsewhere.clone()), &["untrusted", "another name"]);
    elsewhere["verify_name"] = json!(false);
    assert_heard(&conversation(elsewhere));

    let mut parameters = expired(named("localhost"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (shown, pem) = self_signed_with(parameters);
    assert_error(&conversation(with(&server(shown), &pem, false)), &["untrusted", "expired"]);

    // One that lists its names is for those, whatever its subject says.
    let mut parameters = named("another.example.com");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "localhost");
    let (shown, pem) = self_signed_with(parameters);
    assert_error(&conversation(with(&server(shown), &pem, true)), &["untrusted", "another name"]);

    // Whoever has the same name and another key is another.
    let (_, pem) = self_signed("localhost");
    assert_error(&conversation(with(&own, &pem, false)), &["untrusted"]);
}

#[test]
fn a_certificate_of_version_1_is_believed_of_its_authority_and_of_no_other() {
    let old_kind = server(first_version());
    for trust in [OPENSSL_AUTHORITY, FIRST_VERSION] {
        assert_heard(&conversation(with(&old_kind, trust, true)));
    }
    let mut elsewhere = with(&old_kind, OPENSSL_AUTHORITY, true);
    elsewhere["server_name"] = json!("db.example.com");
    assert_error(&conversation(elsewhere), &["untrusted"]);
    // An authority of the same name, which did not sign it.
    assert_error(&conversation(with(&old_kind, &Authority::new().pem(), false)), &["untrusted"]);
    // The system's authorities make no such certificates.
    let workspace = Workspace::new();
    let file = workspace.file("authority.pem", OPENSSL_AUTHORITY);
    let talk = json!({"at": old_kind.authority(), "server_name": "localhost", "verify_name": false});
    assert_error(&outcome(&conversations(json!([talk])).env("SSL_CERT_FILE", file).run().exits(0)), &["untrusted"]);
}

#[test]
fn what_is_listed_and_no_authoritys_has_signed_nothing() {
    let key = KeyPair::generate().expect("a key");
    let leaf = of_subject("other.example");
    let mut mere_words = of_subject("An authority of signatures on mails");
    mere_words.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    mere_words.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    for signer in [leaf.clone(), expired(leaf.clone()), mere_words] {
        let impostor = server(signed_by(signer.clone(), &key));
        // Whether it is signed by another or by itself.
        for listed in [issued(&signer, &key), signer.clone().self_signed(&key).expect("a certificate").pem()] {
            for verify_name in [true, false] {
                let outcome = conversation(with(&impostor, &listed, verify_name));
                assert_error(&outcome, &["untrusted: its certificate comes from no authority"]);
            }
            // An authority next to it changes nothing.
            let both = format!("{listed}{}", Authority::new().pem());
            assert_error(&conversation(with(&impostor, &both, true)), &["untrusted"]);
        }
    }
    // What is listed is believed itself.
    let pem = issued(&of_subject("localhost"), &key);
    let own = server(of_pem(&pem, &key.serialize_pem()));
    assert_heard(&conversation(with(&own, &pem, true)));
    let mut elsewhere = with(&own, &pem, true);
    elsewhere["server_name"] = json!("other.example");
    assert_error(&conversation(elsewhere), &["untrusted", "another name"]);
    let pem = issued(&expired(of_subject("localhost")), &key);
    assert_error(&conversation(with(&server(of_pem(&pem, &key.serialize_pem())), &pem, false)), &["expired"]);
}

#[test]
fn a_certificate_of_version_1_may_sign_where_it_signed_itself() {
    let key = KeyPair::from_pem(FIRST_VERSION_KEY).expect("a key");
    let mut signer = CertificateParams::new(Vec::new()).expect("no names are fine");
    signer.distinguished_name = DistinguishedName::new();
    signer.distinguished_name.push(DnType::CommonName, "localhost");
    for shown in [signed_by(signer, &key), of_pem(OF_FIRST_VERSION, OF_FIRST_VERSION_KEY)] {
        let server = server(shown);
        for verify_name in [true, false] {
            for listed in [FIRST_VERSION, &format!("{FIRST_VERSION}{OPENSSL_AUTHORITY}")] {
                assert_error(&conversation(with(&server, listed, verify_name)), &["untrusted: its certificate"]);
            }
        }
        assert_heard(&conversation(with(&server, FIRST_VERSION_AUTHORITY, true)));
    }
}

#[test]
fn between_a_server_and_its_authority_are_those_that_may_sign() {
    let (key, own) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut authority = of_subject("An authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = authority.self_signed(&key).expect("a certificate");
    for (is_ca, usages, believed) in [
        (IsCa::Ca(BasicConstraints::Unconstrained), vec![], true),
        (IsCa::Ca(BasicConstraints::Unconstrained), vec![KeyUsagePurpose::KeyCertSign], true),
        (IsCa::Ca(BasicConstraints::Unconstrained), vec![KeyUsagePurpose::DigitalSignature], false),
        (IsCa::ExplicitNoCa, vec![], false),
    ] {
        let mut between = of_subject("Between");
        (between.is_ca, between.key_usages) = (is_ca, usages);
        let (shown, key_shown) = signed_by(between.clone(), &own);
        let between = between.signed_by(&own, &authority, &key).expect("a certificate");
        let chain = vec![shown, between.der().clone()];
        let server = server_of(config_of_chain(chain, key_shown, rustls::ALL_VERSIONS));
        let outcome = conversation(with(&server, &authority.pem(), true));
        if believed {
            assert_heard(&outcome);
        } else {
            assert_error(&outcome, &["untrusted"]);
        }
    }
}

#[test]
fn an_authority_that_has_expired_is_believed_no_more() {
    let key = KeyPair::generate().expect("a key");
    let mut authority = of_subject("An old authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let listed = |authority: &CertificateParams| authority.clone().self_signed(&key).expect("a certificate").pem();
    let of_it = server(signed_by(authority.clone(), &key));
    assert_heard(&conversation(with(&of_it, &listed(&authority), true)));
    let old = listed(&expired(authority.clone()));
    for verify_name in [true, false] {
        let outcome = conversation(with(&of_it, &old, verify_name));
        assert_error(&outcome, &["untrusted: its certificate is not accepted", "its authority", "has expired"]);
    }
    // Its successor has the same key.
    assert_heard(&conversation(with(&of_it, &format!("{old}{}", listed(&authority)), true)));
    let another = server(Authority::new().issue(named("localhost")));
    assert_error(&conversation(with(&another, &old, true)), &["untrusted: its certificate comes from no authority"]);
}

#[test]
fn of_several_common_names_the_first_counts() {
    let key = KeyPair::generate().expect("a key");
    for (names, believed) in [(["localhost", "other.example"], true), (["other.example", "localhost"], false)] {
        // A subject in rcgen has one name of each kind: the second is one of another kind, of the same number.
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names are fine");
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, names[0]);
        parameters.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), names[1]);
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        let outcome = conversation(with(&server(of_pem(&pem, &key.serialize_pem())), &pem, true));
        if believed {
            assert_heard(&outcome);
        } else {
            assert_error(&outcome, &["untrusted", "another name"]);
        }
    }
}

#[test]
fn a_certificate_of_very_many_names_is_refused_in_few_words() {
    let authority = Authority::new();
    let names: Vec<String> = (0..700).map(|number| format!("{number}.{}.example.com", "n".repeat(60))).collect();
    let many = server(authority.issue(CertificateParams::new(names).expect("names")));
    let outcome = conversation(with(&many, &authority.pem(), true));
    assert_error(&outcome, &["untrusted", "another name"]);
    let length = outcome["error"].as_str().unwrap().len();
    assert!(length < 200, "{length}");
}

/// Wants a certificate and takes any.
#[derive(Debug)]
struct WantsCertificate;

impl ClientCertVerifier for WantsCertificate {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[test]
fn a_client_shows_its_certificate_where_it_is_asked_for() {
    let authority = Authority::new();
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let (certificate, key) = authority.issue(named("localhost"));
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("ring has the versions")
            .with_client_cert_verifier(Arc::new(WantsCertificate))
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        let server = server_of(config);
        let talk = with(&server, &authority.pem(), true);
        let key = KeyPair::generate().expect("a key");
        let own = named("client").self_signed(&key).expect("a certificate");
        for (certificates, key) in
            [(CLIENT_RSA, CLIENT_PKCS1), (CLIENT_EC, CLIENT_SEC1), (&own.pem(), &key.serialize_pem())]
        {
            let mut talk = talk.clone();
            talk["identity"] = json!({"certificates": certificates, "private_key": key});
            assert_heard(&conversation(talk));
        }
        assert_error(&conversation(talk), &["failed: the server ended it", "certificate"]);
    }
}

#[test]
fn what_can_not_be_used_is_told_without_what_is_in_it() {
    let authority = Authority::new().pem();
    let half = &authority[..authority.len() / 2];
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted_too = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nc2VjcmV0c2VjcmV0\n-----END RSA PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n";
    let broken = "-----BEGIN PRIVATE KEY c2VjcmV0c2VjcmV0";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nc2VjcmV0c2VjcmV0\n-----END CERTIFICATE-----\n";
    let misuse = json!({"misuse": "none", "server_name": "localhost", "trust": "anyone"});
    let identity = |certificates: &str, key: &str| json!({"certificates": certificates, "private_key": key});
    let long_name = "n".repeat(1000);
    let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for (field, value, parts) in [
        ("server_name", json!(""), &["is neither the name of a server nor an IP address"][..]),
        ("server_name", json!("a name"), &["\"a name\" is neither"]),
        ("server_name", json!(long_name), &["longer than a name can be"]),
        ("trust", json!(""), &["the certificates of the authorities", "BEGIN CERTIFICATE"]),
        ("trust", json!("secretsecret"), &["the certificates of the authorities", "BEGIN CERTIFICATE"]),
        ("trust", json!(half), &["the certificates of the authorities", "not whole PEM"]),
        ("trust", json!(broken), &["the certificates of the authorities"]),
        ("trust", json!(no_certificate), &["certificate 1 of the authorities is damaged"]),
        ("identity", identity(CLIENT_RSA, encrypted), &["private key", "encrypted", "openssl pkey"]),
        ("identity", identity(CLIENT_RSA, encrypted_too), &["private key", "encrypted", "openssl pkey"]),
        ("identity", identity(CLIENT_RSA, no_key), &["private key is damaged"]),
        ("identity", identity(CLIENT_RSA, broken), &["private key can not be read"]),
        ("identity", identity(CLIENT_RSA, ""), &["private key can not be read"]),
        ("identity", identity("", CLIENT_PKCS1), &["the client's certificate can not be read"]),
        ("identity", identity(no_certificate, CLIENT_PKCS1), &["certificate is damaged"]),
        ("identity", identity(CLIENT_RSA, CLIENT_SEC1), &["not that of its certificate"]),
        ("protocols", json!([""]), &["application protocols", "1 to 255 bytes"]),
        ("protocols", json!([long_name]), &["application protocols"]),
        ("protocols", json!(many), &["application protocols", "64"]),
    ] {
        let mut misuse = misuse.clone();
        misuse[field] = value;
        let outcome = conversation(misuse);
        assert_error(&outcome, parts);
        let error = outcome["error"].as_str().unwrap();
        assert!(error.starts_with("invalid: ") && !error.contains("c2Vj") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn the_server_chooses_of_the_protocols_that_are_offered() {
    let authority = Authority::new();
    let mut config = config_of(authority.issue(named("localhost")), rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let choosy = server_of(config);
    let mut talk = with(&choosy, &authority.pem(), true);
    talk["protocols"] = json!(["other", "postgresql"]);
    assert_eq!(conversation(talk.clone())["protocol"], "postgresql");
    talk["protocols"] = json!(["other"]);
    assert_error(&conversation(talk.clone()), &["failed", "none of the application protocols"]);
    talk["at"] = json!(server(authority.issue(named("localhost"))).authority());
    let indifferent = conversation(talk);
    assert_heard(&indifferent);
    assert_eq!(indifferent["protocol"], Value::Null);
}

#[test]
fn much_passes_both_ways_however_it_is_cut() {
    let authority = Authority::new();
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let server = server_of(config_of(authority.issue(named("localhost")), versions));
        let talk = |change: Value| {
            let mut talk = with(&server, &authority.pem(), true);
            talk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            talk
        };
        let (said, heard) = (8_000_000, 12_345_678);
        for change in [
            json!({"say": said, "hear": heard}),
            json!({"say": said, "hear": heard, "say_at_once": 3_000_000}),
            json!({"say": 3000, "hear": 70_000, "piece": 1, "say_at_once": 7}),
        ] {
            let outcome = conversation(talk(change.clone()));
            assert_eq!(outcome["error"], Value::Null, "{outcome}");
            assert_eq!((&outcome["heard"], &outcome["as_expected"]), (&change["hear"], &json!(true)), "{change}");
            assert_eq!(outcome["ended"], true);
        }
    }
}

#[test]
fn a_server_that_is_cut_off_has_not_ended() {
    let authority = Authority::new();
    let config = Arc::new(config_of(authority.issue(named("localhost")), rustls::ALL_VERSIONS));
    let cut = Server::start_raw(move |stream| {
        let connection = ServerConnection::new(config.clone()).expect("the settings are right");
        let _ = serve(StreamOwned::new(connection, stream), false);
    });
    let outcome = conversation(with(&cut, &authority.pem(), true));
    assert_eq!(
        (&outcome["heard"], &outcome["cut"], &outcome["ended"], &outcome["error"]),
        (&json!(4), &json!(true), &Value::Null, &Value::Null)
    );
}

#[test]
fn what_is_no_tls_is_told_as_such() {
    let says = |answer: &'static [u8]| {
        Server::start_raw(move |mut stream| {
            let _ = stream.read(&mut [0; 1000]).and_then(|_| stream.write_all(answer));
            let _ = stream.shutdown(Shutdown::Write);
            let _ = io::copy(&mut stream, &mut io::sink());
        })
    };
    let talk = |server: &Server| conversation(with(server, "anyone", true));
    assert_error(&talk(&says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), &["failed: what the server sent is no TLS"]);
    assert_error(&talk(&says(b"\x15\x03\x03\x00\x02\x02\x28")), &["failed: the server ended it", "HandshakeFailure"]);
    assert_error(&talk(&says(b"\x15\x03\x03\x00\x02\x02\x50")), &["failed: the server ended it", "InternalError"]);
    let silent = talk(&says(b""));
    assert_eq!((&silent["cut"], &silent["heard"]), (&json!(true), &json!(0)));
}

#[test]
fn a_session_that_is_used_wrongly_says_so_and_hurts_nobody() {
    let misuse = |what: &str, change: Value| {
        let mut misuse = json!({"misuse": what, "server_name": "localhost", "trust": "anyone"});
        misuse.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        conversation(misuse)
    };
    let early = misuse("encrypt before all", json!({}));
    assert!(early["first"].as_str().unwrap().starts_with("failed: nothing can be said before"), "{early}");
    assert_eq!(early["error"], Value::Null, "the session goes on");

    let garbage = misuse("garbage", json!({}));
    assert_error(&garbage, &["failed: what the server sent is no TLS"]);
    assert_eq!((&garbage["first"], &garbage["then"]), (&garbage["error"], &garbage["error"]), "it stays so");
    assert!(garbage["to_close"].as_u64().unwrap() > 0, "the server is told");

    assert_error(&misuse("huge", json!({"bytes": 30_000_000})), &["failed"]);
    assert_error(&misuse("long message", json!({})), &["failed"]);
    assert_eq!(misuse("drop by drop", json!({}))["established"], false);

    let closed = misuse("close first", json!({}));
    assert_error(&closed, &["failed: nothing can be said"]);
    assert!(closed["to_close"].as_u64().unwrap() > 0 && closed["again"] == 0, "{closed}");

    assert_eq!(misuse("many", json!({"count": 3000}))["sessions"], 3000);
    assert_eq!(misuse("dropped", json!({"count": 3000}))["error"], Value::Null);
}

#[test]
fn sessions_count_as_the_connectors_memory() {
    let misuse = json!({"misuse": "many", "count": 10_000_000, "server_name": "localhost", "trust": "anyone"});
    let finished = conversations(json!([misuse])).option("--max-memory", "64MiB").run().exits(1);
    let (kind, message) = finished.error();
    assert!(kind == "system_error" && message.contains("--max-memory"), "{kind}: {message}");
}
