//! Keys and signatures. What is expected is what PyJWT does with the same keys (`signed.json`).

use std::collections::BTreeMap;

use p256::ecdsa::signature::Verifier;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::manifest::{Reason, Remarks};

#[derive(Deserialize)]
struct Signed {
    keys: BTreeMap<String, String>,
    signatures: BTreeMap<String, String>,
}

const TEXT: &[u8] = b"header.claims";

fn signed() -> Signed {
    serde_json::from_str(include_str!("signed.json")).unwrap()
}

fn algorithm(name: &str) -> Algorithm {
    Node::root(&json!(name), &Remarks::default()).read().unwrap()
}

fn signature(name: &str, key: &str) -> std::result::Result<Vec<u8>, String> {
    let algorithm = algorithm(name);
    algorithm.sign(&algorithm.key_of(key.to_owned())?, TEXT)
}

#[test]
fn signatures_are_those_of_pyjwt() {
    let Signed { keys, signatures } = signed();
    for (name, expected) in &signatures {
        let names: &[&str] = match name.get(..2) {
            Some("RS") => &["rsa_pkcs8", "rsa_pkcs1"],
            Some("Ed") => &["ed25519"],
            _ => &[],
        };
        let texts: Vec<&str> = names.iter().map(|name| keys[*name].as_str()).collect();
        for key in if texts.is_empty() { &["secret"] } else { texts.as_slice() } {
            assert_eq!(&URL_SAFE_NO_PAD.encode(signature(name, key).unwrap()), expected, "{name}");
        }
    }
}

/// These have chance in them, in PyJWT at least.
#[test]
fn other_signatures_can_be_verified() {
    let Signed { keys, .. } = signed();
    for key in ["p256_pkcs8", "p256_sec1"] {
        let signed = signature("ES256", &keys[key]).unwrap();
        let Ok(PrivateKey::P256(key)) = PrivateKey::of_pem(&keys[key]) else { panic!("{key}") };
        let signature = p256::ecdsa::Signature::from_slice(&signed).unwrap();
        p256::ecdsa::VerifyingKey::from(p256::ecdsa::SigningKey::from(key)).verify(TEXT, &signature).unwrap();
    }
    let Ok(PrivateKey::Rsa(key)) = PrivateKey::of_pem(&keys["rsa_pkcs8"]) else { panic!("RSA") };
    let signed = signature("PS256", &keys["rsa_pkcs8"]).unwrap();
    assert_ne!(signature("PS256", &keys["rsa_pkcs8"]).unwrap(), signed);
    let digest = sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), TEXT));
    key.to_public_key().verify(rsa::Pss::new::<sha2::Sha256>(), &digest, &signed).unwrap();
}

#[test]
fn pem_is_what_python_takes_for_it() {
    let Signed { keys, signatures } = signed();
    let pem = &keys["rsa_pkcs8"];
    for text in [
        pem.replace('\n', " "),
        pem.replace('\n', ""),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', "\n   "),
        format!("text\n {pem} \n text"),
        format!("{}{pem}", keys["rsa_public"]),
        format!("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n{pem}"),
    ] {
        assert_eq!(
            signature("RS256", &text).map(|signed| URL_SAFE_NO_PAD.encode(signed)).as_ref(),
            Ok(&signatures["RS256"]),
            "{text}"
        );
    }
    for (name, text, why) in [
        ("RS256", pem.replace('\n', "\\n"), "has \\n in it"),
        ("RS256", pem.replace("PRIVATE KEY", "RSA PRIVATE KEY"), "can not be read"),
        ("RS256", pem.replace("END PRIVATE", "END RSA PRIVATE"), "can not be read"),
        ("RS256", pem.replacen('\n', "\n!", 3), "can not be read"),
        ("RS256", format!("{}{pem}", keys["p256_pkcs8"]), "is a key on the curve P-256, which RS256 has no use for"),
        ("RS256", keys["rsa_public"].clone(), "is no private key"),
        ("RS256", keys["rsa_openssh"].clone(), "OPENSSH"),
        ("RS256", keys["rsa_encrypted"].clone(), "no passphrase"),
        ("RS256", keys["rsa_encrypted_by_openssl"].clone(), "openssl pkcs8"),
        ("RS256", pem.replace("KEY-----\n", "KEY----\n").replace("-----END", "----END"), "is no private key"),
        ("RS256", String::new(), "is no private key"),
        ("RS256", "-----BEGIN PRIVATE KEY".to_owned(), "is no private key"),
        ("ES256", keys["p384_pkcs8"].clone(), "is on a curve (1.3.132.0.34)"),
        ("ES256", keys["secp256k1_pkcs8"].clone(), "is on a curve (1.3.132.0.10)"),
        ("ES256", keys["secp256k1_sec1"].clone(), "is on a curve (1.3.132.0.10)"),
        ("ES256", keys["p256_sec1"].replace("EC PRIVATE", "PRIVATE"), "can not be read"),
        ("EdDSA", pem.clone(), "for RSA"),
        ("HS256", pem.clone(), "in PEM"),
        ("HS256", keys["rsa_public"].clone(), "in PEM"),
        ("HS256", String::new(), "is empty"),
    ] {
        let told = signature(name, &text).unwrap_err();
        assert!(told.contains(why), "{name}: {told}, and not {why}");
        assert!(!text.lines().any(|line| line.len() > 40 && told.contains(line)), "{told}");
    }
    assert!(signature("HS256", "-----BEGIN PRIVATE KEY-----").is_ok());
}

#[test]
fn a_passphrase_decrypts() {
    let Signed { keys, .. } = signed();
    let decrypted =
        |key: &str, passphrase: &str| PrivateKey::decrypted(&keys[key], passphrase.as_bytes()).map(|key| key.told());
    assert_eq!(decrypted("rsa_encrypted", "pass"), Ok("for RSA"));
    assert_eq!(decrypted("p256_encrypted", "pass"), Ok("on the curve P-256"));
    assert!(decrypted("rsa_encrypted", "no").unwrap_err().contains("can not be decrypted"));
    assert!(decrypted("rsa_pkcs8", "pass").unwrap_err().contains("is not encrypted"));
    assert!(decrypted("rsa_encrypted_by_openssl", "pass").is_err());
}

#[test]
fn which_algorithms_there_are_is_said() {
    let reason = |name: &str| Node::root(&json!(name), &Remarks::default()).read::<Algorithm>().unwrap_err().reason;
    assert_eq!(reason("ES384"), Reason::Unsupported);
    assert_eq!(reason("RS1"), Reason::Invalid);
}

#[test]
fn a_key_that_is_too_short_is_told() {
    // Of the primes 3 and 5.
    let key =
        "-----BEGIN RSA PRIVATE KEY-----\nMBsCAQACAQ8CAQMCAQMCAQMCAQUCAQECAQMCAQI=\n-----END RSA PRIVATE KEY-----";
    for name in ["RS256", "PS256"] {
        assert!(signature(name, key).unwrap_err().contains("too short"));
    }
}
