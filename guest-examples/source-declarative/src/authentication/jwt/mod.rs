//! JSON Web Tokens that the connector signs itself: the language's JwtAuthenticator. Knows nothing of how keys are written and how a
//! signature comes about.

mod algorithm;
mod private_key;

use airlock_sdk::{Failure, Result, system_error};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::token_time;
use crate::manifest::{self, FromManifest, Node, Object, is_true};
use crate::request_options::{InjectInto, RequestOption};
use crate::session::Session;
use crate::template::{Scope, Template, TemplateMap, python_text};
use algorithm::{Algorithm, Key};
use private_key::PrivateKey;

/// What the manifest's `additional_jwt_headers` and `additional_jwt_payload` may not set.
const RESERVED_HEADERS: [&str; 4] = ["kid", "alg", "typ", "cty"];
const RESERVED_CLAIMS: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "nbf"];

/// In seconds.
const DEFAULT_DURATION: u64 = 1200;

/// The language's JwtAuthenticator.
#[derive(Debug)]
pub struct Jwt {
    secret_key: Template,
    /// Of a key that is encrypted. Where it comes to nothing, the key is none.
    passphrase: Option<Template>,
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

impl FromManifest for Jwt {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "JwtAuthenticator" {
            return Err(component.other_kind(&["JwtAuthenticator"], &[]));
        }
        let algorithm: Algorithm = component.required("algorithm")?;
        let headers = match component.field("jwt_headers") {
            Some(headers) => read_named(&headers, &["kid", "typ", "cty"])?,
            None => vec![("typ", Template::of("JWT"))],
        };
        let claims = match component.field("jwt_payload") {
            Some(claims) => read_named(&claims, &["iss", "sub", "aud"])?,
            None => Vec::new(),
        };
        let authorization =
            || RequestOption { inject_into: InjectInto::Header, field: vec![Template::of("Authorization")] };
        let jwt = Jwt {
            secret_key: component.required("secret_key")?,
            passphrase: component.optional("passphrase")?,
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
        headers.entry("typ").or_insert_with(|| "JWT".into());
        headers.insert("alg".to_owned(), self.algorithm.name().into());
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
        for (fields, name) in [(&headers, "kid"), (&claims, "iss")] {
            if fields.get(name).is_some_and(|value| !value.is_string()) {
                return Err(unsigned(format!("the {name} must be a text, and the manifest makes it something else")));
            }
        }
        let encoded = |object: Object| URL_SAFE_NO_PAD.encode(Value::Object(object).to_string());
        let signed = format!("{}.{}", encoded(headers), encoded(claims));
        let signature =
            self.key(scope).and_then(|key| self.algorithm.sign(&key, signed.as_bytes()).map_err(unsigned))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn key(&self, scope: &Scope) -> Result<Key> {
        let text = self.secret_key.text(scope)?;
        let passphrase = self.passphrase.as_ref().map(|passphrase| passphrase.evaluate(scope)).transpose()?;
        if let Some(passphrase) = passphrase.filter(is_true) {
            let passphrase = python_text(&passphrase);
            return PrivateKey::decrypted(&text, passphrase.as_bytes()).map(Key::Private).map_err(unsigned);
        }
        let text = if self.is_base64 { STANDARD.encode(text) } else { text };
        self.algorithm.key_of(text).map_err(unsigned)
    }
}

fn unsigned(why: String) -> Failure {
    system_error(format!("Failed to sign token: {why}."))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the present is after 1970, and fits")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

#[cfg(test)]
mod tests;
