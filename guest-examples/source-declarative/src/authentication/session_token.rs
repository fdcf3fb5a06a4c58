//! Tokens for which the connector logs in: the language's SessionTokenAuthenticator and LegacySessionTokenAuthenticator.

use std::cell::RefCell;

use airlock_sdk::{Failure, Result, system_error};
use serde_json::{Value, json};

use super::token_time;
use crate::datetime::Duration;
use crate::decoders::{Decoder, First};
use crate::error_handling::{Evidence, status_error};
use crate::manifest::{self, Component, FromManifest, Node, Object, is_true};
use crate::request_options::{RequestOption, RequestOptions};
use crate::requester::{HttpRequester, Outcome, PreparedRequest, TIMEOUTS};
use crate::session::Session;
use crate::template::{Template, python_text};

/// The language's SessionTokenAuthenticator.
#[derive(Debug)]
pub struct SessionToken {
    login: Box<HttpRequester>,
    decoder: Decoder,
    path: Vec<String>,
    /// In seconds. Without it, a token is for one request.
    life: Option<f64>,
    /// Where the token goes, and as what. None for `Bearer …`.
    pub api_key: Option<(RequestOption, Template)>,
    token: RefCell<Option<(Value, f64)>>,
}

impl FromManifest for SessionToken {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let authentication = component
            .field("request_authentication")
            .ok_or_else(|| node.invalid("lacks the field request_authentication"))?
            .component()?;
        let api_key = match authentication.kind() {
            "Bearer" => None,
            "ApiKey" => {
                let template = authentication.optional::<Template>("api_token")?.filter(|token| token.source() != "");
                let template = template.unwrap_or_else(|| Template::of("{{ session_token }}"));
                Some((authentication.required("inject_into")?, template))
            }
            _ => return Err(authentication.other_kind(&["ApiKey", "Bearer"], &[])),
        };
        authentication.finish();
        let life = component.optional::<String>("expiration_duration")?.filter(|text| !text.is_empty());
        let life = life.map(|text| {
            let life = Duration::parse(&text).map(|life| life.total_seconds());
            life.map_err(|why| node.invalid(format!("has the expiration_duration {text:?}: {why}")))
        });
        let authenticator = SessionToken {
            login: component.required("login_requester")?,
            decoder: component.optional("decoder")?.unwrap_or_default(),
            path: component.required("session_token_path")?,
            life: life.transpose()?,
            api_key,
            token: RefCell::default(),
        };
        authenticator.login.refuse_actions_of_pages(node)?;
        component.finish();
        Ok(authenticator)
    }
}

impl SessionToken {
    /// The token. The connector logs in where it has none that is still valid.
    pub fn token(&self, session: &Session) -> Result<Value> {
        if let Some((token, expires)) = &*self.token.borrow() {
            if token_time::now() <= *expires {
                return Ok(token.clone());
            }
        }
        let token = self.log_in(session)?;
        if let Some(life) = self.life {
            self.token.replace(Some((token.clone(), token_time::now() + life)));
        }
        Ok(token)
    }

    fn log_in(&self, session: &Session) -> Result<Value> {
        let outcome = self.login.send(session, None, RequestOptions::default(), &session.scope)?;
        let Outcome::Response(response) = outcome else {
            return Err(system_error("Failed to get session token, response got ignored by requester"));
        };
        let decoded = self.decoder.decode(&response);
        // Of several bodies, the first.
        let body = match decoded.first() {
            Some(First::Part(part)) => serde_json::from_str(part.text()).unwrap_or_default(),
            Some(First::Value(value)) => value.clone(),
            None => Value::Null,
        };
        let token = self.path.iter().try_fold(&body, |value, name| match value {
            Value::Array(values) => values.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        });
        match token {
            Some(Value::Null) | None => Err(system_error(format!(
                "Failed to get session token: {} was answered with nothing at {:?}.",
                response.name(),
                self.path.join(".")
            ))),
            Some(token) => Ok(token.clone()),
        }
    }
}

/// The language's LegacySessionTokenAuthenticator.
#[derive(Debug)]
pub struct LegacySessionToken {
    api_url: Option<Template>,
    pub header: Template,
    session_token: Option<Template>,
    response_key: Template,
    username: Option<Template>,
    password: Option<Template>,
    login_url: Template,
    validate_session_url: Template,
}

impl LegacySessionToken {
    /// `api_url` is the requester's.
    pub fn of(component: &Component<'_>, api_url: Option<&Template>) -> manifest::Result<Self> {
        Ok(LegacySessionToken {
            api_url: api_url.cloned(),
            header: component.required("header")?,
            session_token: component.optional("session_token")?,
            response_key: component.required("session_token_response_key")?,
            username: component.optional("username")?,
            password: component.optional("password")?,
            login_url: component.required("login_url")?,
            validate_session_url: component.required("validate_session_url")?,
        })
    }

    /// The token of the config, if it is valid, and else one for user and password.
    pub fn token(&self, session: &Session) -> Result<String> {
        let given = |template: &Option<Template>| -> Result<Option<String>> {
            let value = template.as_ref().map(|template| template.evaluate(&session.scope)).transpose()?;
            Ok(value.filter(is_true).map(|value| python_text(&value)))
        };
        if let Some(token) = given(&self.session_token)? {
            if self.is_valid(session, &token)? {
                return Ok(token);
            }
        }
        match (given(&self.username)?, given(&self.password)?) {
            (Some(username), Some(password)) => self.log_in(session, &username, &password),
            _ => Err(system_error("Invalid credentials: session token is not valid or provide username and password")),
        }
    }

    fn url(&self, session: &Session, below: &Template) -> Result<String> {
        let base = self.api_url.as_ref().map_or(Ok(String::new()), |url| url.text(&session.scope))?;
        Ok(format!("{base}{}", below.text(&session.scope)?))
    }

    fn is_valid(&self, session: &Session, token: &str) -> Result<bool> {
        let url = self.url(session, &self.validate_session_url)?;
        let mut request = PreparedRequest::new("GET", &url, RequestOptions::default())?;
        request.set_secret_headers(&Object::from_iter([(self.header.text(&session.scope)?, token.into())]));
        let response = request.send(TIMEOUTS)?;
        match response.status {
            401 => {
                log::info!("The session token of the config is not valid any more.");
                Ok(false)
            }
            status if status < 400 => Ok(true),
            _ => Err(refused("Error while validating session token", status_error(&response))),
        }
    }

    fn log_in(&self, session: &Session, username: &str, password: &str) -> Result<String> {
        let url = self.url(session, &self.login_url)?;
        let key = self.response_key.text(&session.scope)?;
        let known = json!([url, username, password, key]).to_string();
        if let Some(token) = session.token(&known) {
            return Ok(token);
        }
        let body_json =
            Object::from_iter([("username".to_owned(), username.into()), ("password".to_owned(), password.into())]);
        let request = PreparedRequest::new("POST", &url, RequestOptions { body_json, ..RequestOptions::default() })?;
        let response = request.send(TIMEOUTS)?;
        if !response.is_ok() {
            return Err(refused("Failed to retrieve new session token", status_error(&response)));
        }
        let evidence = Evidence::of(&response, &session.scope);
        let token = evidence.json().and_then(|json| json.get(&key)).map(python_text).ok_or_else(|| {
            system_error(format!(
                "Failed to retrieve new session token: {} was answered without {key:?}.",
                response.name()
            ))
        })?;
        session.keep_token(known, &token);
        Ok(token)
    }
}

fn refused(what: &str, why: String) -> Failure {
    system_error(format!("{what}: {why}"))
}
