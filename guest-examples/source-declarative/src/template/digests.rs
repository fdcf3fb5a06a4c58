//! The CDK's filters that hash and encode.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::Mac as _;
use sha2::Digest as _;
use std::fmt::Write as _;

use super::evaluate::{Fault, Given, Result};
use super::value::Value;

pub fn apply<'a>(name: &str, of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let text = || match of {
        Value::Undefined(what) => Err(Fault::Undefined(what.to_string())),
        Value::Text(text) => Ok(text.as_ref()),
        other => Err(Fault::Other(format!("{name} wants a str, and a {} is given", other.type_name()))),
    };
    Ok(Value::text(match name {
        "hash" => {
            let [kind, salt] = given.bind(["hash_type", "salt"], 0)?;
            let kind = kind.map_or_else(|| Ok("md5".to_owned()), |kind| kind.to_text())?;
            let mut message = of.to_text()?;
            if let Some(salt) = salt.filter(Value::is_true) {
                salt.write_text(&mut message)?;
            }
            hash(&kind, message.as_bytes())?
        }
        "hmac" => {
            let [key, kind] = given.bind(["key", "hash_type"], 1)?;
            if let Some(kind) = kind {
                if kind.as_text() != Some("sha256") {
                    return Err(Fault::Other("hmac has no other hash_type than sha256".to_owned()));
                }
            }
            let key = key.unwrap_or(Value::None).to_text()?;
            let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes())
                .map_err(|_| Fault::Other("the key of hmac can not be used".to_owned()))?;
            mac.update(of.to_text()?.as_bytes());
            hexadecimal(&mac.finalize().into_bytes())
        }
        "base64encode" => STANDARD.encode(text()?),
        "base64binascii_decode" => {
            let text = text()?;
            if !text.is_ascii() {
                return Err(Fault::Other("base64binascii_decode wants ASCII".to_owned()));
            }
            STANDARD.encode(text)
        }
        _ => decode(text()?)?,
    }))
}

/// Python's b64decode: what is of another alphabet is skipped, padding must be there.
fn decode(text: &str) -> Result<String> {
    let wrong = || Fault::Other("base64decode is given what is no base64 of a text".to_owned());
    let is_of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let kept: Vec<u8> = text.bytes().filter(is_of_base64).collect();
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
    let bytes = GeneralPurpose::new(&ALPHABET, config).decode(kept).map_err(|_| wrong())?;
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn hash(kind: &str, message: &[u8]) -> Result<String> {
    Ok(match kind {
        "md5" => hexadecimal(&md5::Md5::digest(message)),
        "sha1" => hexadecimal(&sha1::Sha1::digest(message)),
        "sha224" => hexadecimal(&sha2::Sha224::digest(message)),
        "sha256" => hexadecimal(&sha2::Sha256::digest(message)),
        "sha384" => hexadecimal(&sha2::Sha384::digest(message)),
        "sha512" => hexadecimal(&sha2::Sha512::digest(message)),
        other => return Err(Fault::Other(format!("there is no hash {other}"))),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
