//! JSON Web Tokens that the connector signs itself: the language's JwtAuthenticator, with keys that both sides know.

use airlock_sdk::{Result, system_error};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::{Sha256, Sha384, Sha512};

use super::token_time;
use crate::manifest::{self, FromManifest, Node, Object, is_true};
use crate::request_options::{InjectInto, RequestOption};
use crate::session::Session;
use crate::template::{Template, TemplateMap, python_text};

/// What the manifest's `additional_jwt_headers` and `additional_jwt_payload` may not set.
const RESERVED_HEADERS: [&str; 4] = ["kid", "alg", "typ", "cty"];
const RESERVED_CLAIMS: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "nbf"];

/// In seconds.
const DEFAULT_DURATION: u64 = 1200;

/// The language's JwtAuthenticator.
#[derive(Debug)]
pub struct Jwt {
    secret_key: Template,
    is_base64: bool,
    algorithm: Algorithm,
    duration: u64,
    prefix: Option<Template>,
    headers: Vec<(&'static str, Template)>,
    claims: Vec<(&'static str, Template)>,
    more_headers: Option<TemplateMap>,
    more_claims: Option<TemplateMap>,
    pub option: RequestOption,
}

#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
}

impl FromManifest for Jwt {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "JwtAuthenticator" {
            return Err(component.other_kind(&["JwtAuthenticator"], &[]));
        }
        let algorithm: String = component.required("algorithm")?;
        let algorithm = match algorithm.as_str() {
            "HS256" => Algorithm::Hs256,
            "HS384" => Algorithm::Hs384,
            "HS512" => Algorithm::Hs512,
            _ => {
                return Err(node.unsupported(format!(
                    "has the algorithm {algorithm}, which is not supported: HS256, HS384 and HS512 are"
                )));
            }
        };
        let headers = match component.field("jwt_headers") {
            Some(headers) => read_named(&headers, &["kid", "typ", "cty"])?,
            None => vec![("typ", Template::of("JWT"))],
        };
        let claims = match component.field("jwt_payload") {
            Some(claims) => read_named(&claims, &["iss", "sub", "aud"])?,
            None => Vec::new(),
        };
        component.refuse_fields(&["passphrase"])?;
        let authorization =
            || RequestOption { inject_into: InjectInto::Header, field: vec![Template::of("Authorization")] };
        let jwt = Jwt {
            secret_key: component.required("secret_key")?,
            is_base64: component.optional("base64_encode_secret_key")?.unwrap_or_default(),
            algorithm,
            duration: component.optional("token_duration")?.unwrap_or(DEFAULT_DURATION),
            prefix: component.optional("header_prefix")?,
            headers,
            claims,
            more_headers: component.optional("additional_jwt_headers")?,
            more_claims: component.optional("additional_jwt_payload")?,
            option: component.optional("request_option")?.unwrap_or_else(authorization),
        };
        component.finish();
        Ok(jwt)
    }
}

fn read_named(node: &Node<'_>, names: &[&'static str]) -> manifest::Result<Vec<(&'static str, Template)>> {
    let component = node.component()?;
    let mut fields = Vec::new();
    for name in names {
        // The language's own default.
        let default = (*name == "typ").then(|| Template::of("JWT"));
        if let Some(template) = component.optional::<Template>(name)?.or(default).filter(|text| text.source() != "") {
            fields.push((*name, template));
        }
    }
    component.finish();
    Ok(fields)
}

impl Jwt {
    /// The token with its prefix.
    pub fn token(&self, session: &Session) -> Result<String> {
        let token = self.signed(session)?;
        let prefix = self.prefix.as_ref().map(|prefix| prefix.evaluate(&session.scope)).transpose()?;
        Ok(match prefix.filter(is_true) {
            Some(prefix) => format!("{} {token}", python_text(&prefix)),
            None => token,
        })
    }

    fn signed(&self, session: &Session) -> Result<String> {
        let scope = &session.scope;
        let fields = |map: &Option<TemplateMap>, reserved: &[&str]| -> Result<Object> {
            let fields = map.as_ref().map_or_else(|| Ok(Object::new()), |map| map.evaluate(scope))?;
            match reserved.iter().find(|name| fields.contains_key(**name)) {
                Some(name) => {
                    Err(system_error(format!("Failed to sign token: {name} is reserved, and may not be set.")))
                }
                None => Ok(fields),
            }
        };
        let mut headers = fields(&self.more_headers, &RESERVED_HEADERS)?;
        for (name, template) in &self.headers {
            headers.insert((*name).to_owned(), template.evaluate(scope)?);
        }
        let name = match self.algorithm {
            Algorithm::Hs256 => "HS256",
            Algorithm::Hs384 => "HS384",
            Algorithm::Hs512 => "HS512",
        };
        headers.entry("typ").or_insert_with(|| "JWT".into());
        headers.insert("alg".to_owned(), name.into());
        // Names in order, as PyJWT writes them.
        let mut names: Vec<String> = headers.keys().cloned().collect();
        names.sort_unstable();
        let headers: Object = names.into_iter().filter_map(|name| headers.remove_entry(&name)).collect();
        let mut claims = fields(&self.more_claims, &RESERVED_CLAIMS)?;
        for (name, template) in &self.claims {
            claims.insert((*name).to_owned(), template.evaluate(scope)?);
        }
        let now = whole(token_time::now());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), now.saturating_add(self.duration).into());
        claims.insert("nbf".to_owned(), now.into());
        let encoded = |object: Object| URL_SAFE_NO_PAD.encode(Value::Object(object).to_string());
        let signed = format!("{}.{}", encoded(headers), encoded(claims));
        let key = match self.secret_key.text(scope)? {
            key if self.is_base64 => STANDARD.encode(key),
            key => key,
        };
        let (key, text) = (key.as_bytes(), signed.as_bytes());
        let signature =
            match self.algorithm {
                Algorithm::Hs256 => Hmac::<Sha256>::new_from_slice(key)
                    .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec()),
                Algorithm::Hs384 => Hmac::<Sha384>::new_from_slice(key)
                    .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec()),
                Algorithm::Hs512 => Hmac::<Sha512>::new_from_slice(key)
                    .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec()),
            };
        let signature = signature.map_err(|_| system_error("Failed to sign token: the key can not be used."))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the present is after 1970, and fits")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}
