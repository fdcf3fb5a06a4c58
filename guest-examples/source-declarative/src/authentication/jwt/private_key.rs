//! Private keys as they stand in PEM: PKCS#8, encrypted or not, PKCS#1 and SEC1. What is taken for PEM is what Python's `cryptography`
//! takes, but for older ways to encrypt it. Knows nothing of tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::{EncryptedPrivateKeyInfo, ObjectIdentifier, PrivateKeyInfo};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

pub enum PrivateKey {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::SecretKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

/// What went wrong, as the end of a sentence.
type Result<T> = std::result::Result<T, String>;

impl PrivateKey {
    /// A key that is not encrypted.
    pub fn of_pem(text: &str) -> Result<Self> {
        let (label, der) = private_block(text)?;
        match label {
            "ENCRYPTED PRIVATE KEY" => Err("the secret_key is encrypted, and there is no passphrase for it".to_owned()),
            _ => PrivateKey::of_block(label, &der),
        }
    }

    /// A key that is encrypted with a passphrase.
    pub fn decrypted(text: &str, passphrase: &[u8]) -> Result<Self> {
        let (label, der) = private_block(text)?;
        if label != "ENCRYPTED PRIVATE KEY" {
            return Err("there is a passphrase, and the secret_key is not encrypted".to_owned());
        }
        let encrypted = EncryptedPrivateKeyInfo::try_from(der.as_slice()).map_err(|_| {
            "the secret_key can not be decrypted: it is damaged, or encrypted in another way than by PBES2 with AES: make it anew \
             with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
                .to_owned()
        })?;
        let decrypted = encrypted.decrypt(passphrase).map_err(|error| {
            format!("the secret_key can not be decrypted: the passphrase is another one, or the encryption is one that is not supported ({error})")
        })?;
        PrivateKey::of_block("PRIVATE KEY", decrypted.as_bytes())
    }

    fn of_block(label: &str, der: &[u8]) -> Result<Self> {
        match label {
            "RSA PRIVATE KEY" => rsa_key(der),
            "EC PRIVATE KEY" => {
                let key = sec1::EcPrivateKey::try_from(der).map_err(|_| unreadable(label))?;
                curve_key(key.parameters.and_then(|parameters| parameters.named_curve()), der)
            }
            "PRIVATE KEY" => {
                let key = PrivateKeyInfo::try_from(der).map_err(|_| unreadable(label))?;
                match key.algorithm.oid {
                    RSA => rsa_key(key.private_key),
                    ELLIPTIC_CURVE => curve_key(key.algorithm.parameters_oid().ok(), key.private_key),
                    ED25519 => {
                        let key = key.try_into().map_err(|_| unreadable(label))?;
                        Ok(PrivateKey::Ed25519(Box::new(key)))
                    }
                    other => Err(format!("the secret_key is of a kind ({other}) that is not supported")),
                }
            }
            _ => Err(format!("the secret_key is a {label} in PEM, which can not be used")),
        }
    }

    /// What it is for: `for RSA`.
    pub fn told(&self) -> &'static str {
        match self {
            PrivateKey::Rsa(_) => "for RSA",
            PrivateKey::P256(_) => "on the curve P-256",
            PrivateKey::Ed25519(_) => "on the curve Ed25519",
        }
    }
}

fn rsa_key(der: &[u8]) -> Result<PrivateKey> {
    let key = RsaPrivateKey::from_pkcs1_der(der).map_err(|_| unreadable("RSA PRIVATE KEY"))?;
    Ok(PrivateKey::Rsa(Box::new(key)))
}

fn curve_key(curve: Option<ObjectIdentifier>, der: &[u8]) -> Result<PrivateKey> {
    let unreadable = |_| unreadable("EC PRIVATE KEY");
    match curve {
        Some(P256) => p256::SecretKey::from_sec1_der(der).map(PrivateKey::P256).map_err(unreadable),
        Some(other) => Err(format!("the secret_key is on a curve ({other}) that is not supported")),
        None => Err("the secret_key does not say which curve it is on".to_owned()),
    }
}

fn unreadable(label: &str) -> String {
    format!("the secret_key begins as a {label} in PEM, and can not be read as one")
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// A longer label is none.
const MAX_LABEL: usize = 40;

/// The first private key in a text, by its label. Whatever else is around it does not matter, nor how its lines are broken.
fn private_block(text: &str) -> Result<(&str, Vec<u8>)> {
    for after in text.split(BEGIN).skip(1) {
        let Some((label, body)) = after.split_once(DASHES) else { break };
        // It is shown: where a dash is missing, what follows is the key.
        if !label.ends_with("PRIVATE KEY") || !is_label(label) {
            continue;
        }
        let Some((body, _)) = body.split_once(&format!("-----END {label}-----")) else { return Err(unreadable(label)) };
        if body.contains("\\n") {
            return Err("the secret_key has \\n in it where its lines should end: put line breaks there, or have the \
                        manifest do it with .replace('\\\\n', '\\n')"
                .to_owned());
        }
        if body.contains("ENCRYPTED") {
            return Err(
                "the secret_key is encrypted in OpenSSL's old way, which is not supported: make it PKCS#8, with \
                        `openssl pkcs8 -topk8`"
                    .to_owned(),
            );
        }
        let base64: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| unreadable(label))?;
        return Ok((label, der));
    }
    Err("the secret_key is no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----".to_owned())
}

fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')
}

/// Whether a text has something in PEM in it.
pub fn is_pem(text: &str) -> bool {
    let labels = ["PRIVATE KEY", "PUBLIC KEY", "CERTIFICATE"];
    text.split(BEGIN).skip(1).any(|after| {
        let block = after.split_once(DASHES).filter(|(label, _)| labels.iter().any(|known| label.ends_with(known)));
        block.is_some_and(|(label, body)| body.contains(&format!("-----END {label}-----")))
    })
}
