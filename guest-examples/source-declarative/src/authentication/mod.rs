//! Authentication: the language's authenticators, and the tokens that they get. Knows what goes into a request, and nothing of
//! what is asked for.

mod jwt;
mod oauth;
mod session_token;
mod token_pool;
mod token_time;

use std::collections::BTreeMap;

use airlock_sdk::{Failure, Result, config_error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::manifest::{self, Component, Node, Object};
use crate::request_options::{InjectInto, RequestOption, RequestOptions};
use crate::requester::{HttpResponse, PreparedRequest};
use crate::session::Session;
use crate::template::{Scope, Template, python_text};
use jwt::Jwt;
use oauth::OAuth;
use session_token::{LegacySessionToken, SessionToken};
use token_pool::TokenPool;
pub use token_pool::TokenQuotas;

/// The language's authenticators.
#[derive(Debug)]
pub enum Authenticator {
    None,
    Bearer(Template),
    ApiKey { option: RequestOption, token: Template },
    Basic { username: Template, password: Option<Template> },
    OAuth(Box<OAuth>),
    Jwt(Box<Jwt>),
    SessionToken(Box<SessionToken>),
    LegacySessionToken(Box<LegacySessionToken>),
    TokenPool(Box<TokenPool>),
    Selective { path: Vec<String>, authenticators: BTreeMap<String, Authenticator> },
}

/// What came of the wish for a new token.
#[derive(Debug)]
pub enum Refresh {
    Done,
    Failed(Failure),
    /// The authenticator has none that could be renewed.
    Impossible,
}

const SUPPORTED: [&str; 10] = [
    "NoAuth",
    "BearerAuthenticator",
    "ApiKeyAuthenticator",
    "BasicHttpAuthenticator",
    "OAuthAuthenticator",
    "JwtAuthenticator",
    "SessionTokenAuthenticator",
    "LegacySessionTokenAuthenticator",
    "SelectiveAuthenticator",
    "RateLimitedMultipleTokenAuthenticator",
];

impl Authenticator {
    /// Reads an authenticator of a requester for this URL.
    pub fn read(node: &Node<'_>, url: Option<&Template>) -> manifest::Result<Self> {
        let component = node.component()?;
        match component.kind() {
            "OAuthAuthenticator" => return node.read().map(Authenticator::OAuth),
            "JwtAuthenticator" => return node.read().map(Authenticator::Jwt),
            "SessionTokenAuthenticator" => return node.read().map(Authenticator::SessionToken),
            "RateLimitedMultipleTokenAuthenticator" => return node.read().map(Authenticator::TokenPool),
            _ => {}
        }
        let authenticator = match component.kind() {
            "NoAuth" => Authenticator::None,
            "BearerAuthenticator" => Authenticator::Bearer(component.required("api_token")?),
            "ApiKeyAuthenticator" => Authenticator::ApiKey {
                option: read_option(&component)?,
                token: component.optional("api_token")?.unwrap_or_else(|| Template::of("")),
            },
            "BasicHttpAuthenticator" => Authenticator::Basic {
                username: component.required("username")?,
                password: component.optional("password")?,
            },
            "LegacySessionTokenAuthenticator" => {
                Authenticator::LegacySessionToken(Box::new(LegacySessionToken::of(&component, url)?))
            }
            "SelectiveAuthenticator" => {
                let authenticators =
                    component.field("authenticators").ok_or_else(|| component.lacks("authenticators"))?;
                let read = |(name, node): (&str, Node<'_>)| Ok((name.to_owned(), Authenticator::read(&node, url)?));
                Authenticator::Selective {
                    path: component.required("authenticator_selection_path")?,
                    authenticators: authenticators.entries()?.into_iter().map(read).collect::<manifest::Result<_>>()?,
                }
            }
            _ => return Err(component.other_kind(&SUPPORTED, &[])),
        };
        component.finish();
        Ok(authenticator)
    }

    /// What it puts into a request. All of it is secret.
    pub fn options(&self, session: &Session) -> Result<RequestOptions> {
        match self {
            // A pool's token depends on the request as a whole.
            Authenticator::None | Authenticator::TokenPool(_) => Ok(RequestOptions::default()),
            Authenticator::Bearer(token) => {
                Ok(authorization(format!("Bearer {}", python_text(&token.evaluate(&session.scope)?))))
            }
            Authenticator::ApiKey { option, token } => {
                let token = token.text(&session.scope)?;
                injected(option, token, &session.scope)
            }
            Authenticator::Basic { username, password } => {
                let password = password.as_ref().map_or(Ok(String::new()), |password| password.text(&session.scope))?;
                let credentials = format!("{}:{password}", username.text(&session.scope)?);
                Ok(authorization(format!("Basic {}", STANDARD.encode(credentials))))
            }
            Authenticator::OAuth(oauth) => oauth.header(session).map(authorization),
            Authenticator::Jwt(jwt) => injected(&jwt.option, jwt.token(session)?, &session.scope),
            Authenticator::SessionToken(authenticator) => {
                let token = authenticator.token(session)?;
                match &authenticator.api_key {
                    None => Ok(authorization(format!("Bearer {}", python_text(&token)))),
                    Some((option, template)) => {
                        let token = template.text(&session.scope.with_json("session_token", &token))?;
                        injected(option, token, &session.scope)
                    }
                }
            }
            Authenticator::LegacySessionToken(authenticator) => {
                let headers = Object::from_iter([(
                    authenticator.header.text(&session.scope)?,
                    Value::from(authenticator.token(session)?),
                )]);
                Ok(RequestOptions { headers, ..RequestOptions::default() })
            }
            Authenticator::Selective { .. } => self.selected(session)?.options(session),
        }
    }

    /// Puts into a request, before it is sent, what depends on all of it.
    pub fn sign(&self, session: &Session, request: &mut PreparedRequest) -> Result<()> {
        match self.selected(session)? {
            Authenticator::TokenPool(pool) => pool.sign(session, request),
            _ => Ok(()),
        }
    }

    /// Learns from a response what may be asked for with the token of its request.
    pub fn learn(&self, session: &Session, request: &PreparedRequest, response: &HttpResponse) -> Result<()> {
        match self.selected(session)? {
            Authenticator::TokenPool(pool) => pool.learn(session, request, response),
            _ => Ok(()),
        }
    }

    /// Whether a request that was refused because there were too many may be sent again at once, with another token.
    pub fn has_another_token(&self, session: &Session, request: &PreparedRequest) -> Result<bool> {
        match self.selected(session)? {
            Authenticator::TokenPool(pool) => pool.has_another_token(session, request),
            _ => Ok(false),
        }
    }

    /// Gets a new token in the place of one that was refused.
    pub fn refresh(&self, session: &Session) -> Result<Refresh> {
        match self {
            Authenticator::OAuth(oauth) => oauth.refresh(session),
            Authenticator::Selective { .. } => self.selected(session)?.refresh(session),
            _ => Ok(Refresh::Impossible),
        }
    }

    /// The authenticator that the config selects.
    fn selected(&self, session: &Session) -> Result<&Authenticator> {
        let Authenticator::Selective { path, authenticators } = self else { return Ok(self) };
        let Some(selected) = value_at(&session.config, path) else {
            return Err(config_error(format!(
                "The config has no {:?}, which selects how to authenticate: set it to one of {}.",
                path.join("."),
                authenticators.keys().cloned().collect::<Vec<_>>().join(", ")
            )));
        };
        let name = python_text(selected);
        authenticators.get(&name).ok_or_else(|| {
            config_error(format!(
                "The config has {name:?} at {:?}, which is no way to authenticate: set it to one of {}.",
                path.join("."),
                authenticators.keys().cloned().collect::<Vec<_>>().join(", ")
            ))
        })
    }
}

/// `inject_into`, or the older `header`.
fn read_option(component: &Component<'_>) -> manifest::Result<RequestOption> {
    match (component.optional::<RequestOption>("inject_into")?, component.optional::<Template>("header")?) {
        (Some(option), None) => Ok(option),
        (None, Some(name)) => Ok(RequestOption { inject_into: InjectInto::Header, field: vec![name] }),
        (Some(_), Some(_)) => Err(component.node.invalid("has both inject_into and header, and must have one of them")),
        (None, None) => Err(component.lacks("inject_into")),
    }
}

fn authorization(value: String) -> RequestOptions {
    let headers = Object::from_iter([("Authorization".to_owned(), Value::from(value))]);
    RequestOptions { headers, ..RequestOptions::default() }
}

fn injected(option: &RequestOption, token: String, scope: &Scope) -> Result<RequestOptions> {
    let mut options = RequestOptions::default();
    options.inject(option, token.into(), scope)?;
    // A header of no name is none.
    options.headers.retain(|name, _| !name.is_empty());
    Ok(options)
}

/// What stands at a path in the config.
fn value_at<'c>(config: &'c Object, path: &[String]) -> Option<&'c Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(config.get(first)?, |value, name| value.get(name))
}

#[cfg(test)]
mod tests;
