//! How a token is signed: the algorithms of RFC 7518 by their names, with the keys that PyJWT takes for each. Knows nothing of what a
//! token says.

use ed25519_dalek::Signer as _;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use rsa::rand_core::{CryptoRng, Error, RngCore};
use rsa::traits::SignatureScheme;
use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::private_key::{PrivateKey, is_pem};
use crate::manifest::{self, FromManifest, Node};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    EdDsa,
}

const NAMES: &[(&str, Algorithm)] = &[
    ("HS256", Algorithm::Hs256),
    ("HS384", Algorithm::Hs384),
    ("HS512", Algorithm::Hs512),
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("EdDSA", Algorithm::EdDsa),
];

impl FromManifest for Algorithm {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let name: String = node.read()?;
        let known = NAMES.iter().find(|(known, _)| *known == name);
        match (known, name.as_str()) {
            (Some((_, algorithm)), _) => Ok(*algorithm),
            (None, "ES384" | "ES512" | "ES256K") => Err(node.unsupported(format!("is {name}, which is not supported"))),
            _ => Err(node.other_word(&NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>())),
        }
    }
}

/// What a token is signed with.
pub enum Key {
    /// Both sides know it.
    Secret(Vec<u8>),
    Private(PrivateKey),
}

/// What went wrong, as the end of a sentence.
type Result<T> = std::result::Result<T, String>;

impl Algorithm {
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, algorithm)| *algorithm == self).map_or("", |(name, _)| name)
    }

    /// The key that a text is for this algorithm.
    pub fn key_of(self, text: String) -> Result<Key> {
        match self {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 if text.is_empty() => {
                Err("the secret_key is empty".to_owned())
            }
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 if is_pem(&text) => {
                Err(format!("the secret_key is a key in PEM, which {} has no use for", self.name()))
            }
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => Ok(Key::Secret(text.into_bytes())),
            _ => PrivateKey::of_pem(&text).map(Key::Private),
        }
    }

    pub fn sign(self, key: &Key, text: &[u8]) -> Result<Vec<u8>> {
        match (self, key) {
            (Algorithm::Hs256, Key::Secret(key)) => mac::<Hmac<Sha256>>(key, text),
            (Algorithm::Hs384, Key::Secret(key)) => mac::<Hmac<Sha384>>(key, text),
            (Algorithm::Hs512, Key::Secret(key)) => mac::<Hmac<Sha512>>(key, text),
            (Algorithm::Rs256, Key::Private(PrivateKey::Rsa(key))) => {
                rsa::<Sha256>(key, Pkcs1v15Sign::new::<Sha256>(), text)
            }
            (Algorithm::Rs384, Key::Private(PrivateKey::Rsa(key))) => {
                rsa::<Sha384>(key, Pkcs1v15Sign::new::<Sha384>(), text)
            }
            (Algorithm::Rs512, Key::Private(PrivateKey::Rsa(key))) => {
                rsa::<Sha512>(key, Pkcs1v15Sign::new::<Sha512>(), text)
            }
            (Algorithm::Ps256, Key::Private(PrivateKey::Rsa(key))) => rsa::<Sha256>(key, Pss::new::<Sha256>(), text),
            (Algorithm::Ps384, Key::Private(PrivateKey::Rsa(key))) => rsa::<Sha384>(key, Pss::new::<Sha384>(), text),
            (Algorithm::Ps512, Key::Private(PrivateKey::Rsa(key))) => rsa::<Sha512>(key, Pss::new::<Sha512>(), text),
            (Algorithm::Es256, Key::Private(PrivateKey::P256(key))) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(key).sign(text);
                Ok(signature.to_bytes().to_vec())
            }
            (Algorithm::EdDsa, Key::Private(PrivateKey::Ed25519(key))) => Ok(key.sign(text).to_bytes().to_vec()),
            (_, Key::Private(key)) => {
                Err(format!("the secret_key is a key {}, which {} has no use for", key.told(), self.name()))
            }
            (_, Key::Secret(_)) => Err(format!("{} has no use for the secret_key", self.name())),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Result<Vec<u8>> {
    let mac = <M as Mac>::new_from_slice(key).map_err(|_| "the secret_key can not be used".to_owned())?;
    Ok(mac.chain_update(text).finalize().into_bytes().to_vec())
}

/// Blinded, so that how long it takes tells nothing of the key.
fn rsa<D: Digest>(key: &RsaPrivateKey, scheme: impl SignatureScheme, text: &[u8]) -> Result<Vec<u8>> {
    let signature = key.sign_with_rng(&mut SystemRandom, scheme, &D::digest(text));
    signature.map_err(|error| format!("the secret_key can not be used: it may be too short ({error})"))
}

/// The random bytes of the system.
struct SystemRandom;

impl RngCore for SystemRandom {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        // A system without randomness is none to sign anything on. WASI has no word for that.
        getrandom::fill(bytes).expect("the system gives random bytes");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for SystemRandom {}
