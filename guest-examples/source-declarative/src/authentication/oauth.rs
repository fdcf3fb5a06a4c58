//! OAuth 2.0: the language's OAuthAuthenticator. Gets tokens, keeps them until they expire, and writes new refresh tokens into the
//! config.

use std::cell::RefCell;
use std::time::Duration;

use airlock_sdk::{Failure, FailureKind, Result, config_error, system_error, transient_error};
use serde_json::Value;

use super::jwt::Jwt;
use super::{Refresh, token_time, value_at};
use crate::error_handling::{Evidence, error_message, status_error};
use crate::manifest::{self, Component, FromManifest, Node, Object, is_true};
use crate::request_options::RequestOptions;
use crate::requester::{HttpResponse, PreparedRequest};
use crate::session::Session;
use crate::template::{Template, TemplateMap, python_text};

/// A token of which nobody says how long it is valid, in seconds.
const DEFAULT_LIFE: f64 = 3600.0;

/// No token is asked for again after so many seconds.
const MAX_TIME: f64 = 300.0;

/// So deep a response is searched for its token.
const MAX_DEPTH: u32 = 5;

/// The language's OAuthAuthenticator.
#[derive(Debug)]
pub struct OAuth {
    endpoint: Option<Template>,
    names: Names,
    client_id: Option<Template>,
    client_secret: Option<Template>,
    refresh_token: Option<Template>,
    access_token_value: Option<Template>,
    grant_type: Template,
    scopes: Vec<Value>,
    body: Option<TemplateMap>,
    headers: Option<TemplateMap>,
    in_query: bool,
    token_expiry_date: Option<Template>,
    /// Whether a response has the time when the token expires, and not the seconds until then.
    expires_at: bool,
    rejection: Rejection,
    updater: Option<Updater>,
    /// A token that is signed here and exchanged for another.
    assertion: Option<Jwt>,
    token: RefCell<Option<Token>>,
}

/// What the fields of the request and of its response are called.
#[derive(Debug)]
struct Names {
    client_id: Template,
    client_secret: Template,
    refresh_token: Template,
    grant_type: Template,
    access_token: Template,
    expires_in: Template,
}

/// The errors that mean that the user has to log in again.
#[derive(Debug)]
struct Rejection {
    statuses: Vec<u64>,
    key: String,
    values: Vec<String>,
}

/// The language's `refresh_token_updater`: where the config has what changes.
#[derive(Debug)]
struct Updater {
    access_token: Vec<String>,
    refresh_token: Vec<String>,
    expiry_date: Vec<String>,
}

#[derive(Clone, Debug)]
struct Token {
    value: String,
    /// In seconds since 1970.
    expires: f64,
}

/// Why there is no token.
struct Refused {
    failure: Failure,
    /// The server says that the credentials are wrong.
    is_rejection: bool,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused { failure, is_rejection: false }
    }
}

impl FromManifest for OAuth {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let named = |field, default: &str| Ok(component.optional(field)?.unwrap_or_else(|| Template::of(default)));
        let mut refresh_token_name = named("refresh_token_name", "refresh_token")?;
        let (mut updater, mut updater_rejection) = (None, None);
        if let Some(field) = component.field("refresh_token_updater") {
            let fields = field.component()?;
            refresh_token_name = Template::of("refresh_token");
            if let Some(name) = fields.optional("refresh_token_name")? {
                refresh_token_name = name;
            }
            updater_rejection = Rejection::of(&fields)?;
            updater = Some(Updater::of(&fields)?);
            fields.finish();
        }
        let rejection = match (updater_rejection, Rejection::of(&component)?) {
            (Some(_), Some(_)) => {
                return Err(node.invalid("says twice which errors reject a refresh token: say it in one place"));
            }
            (Some(rejection), None) | (None, Some(rejection)) => rejection,
            (None, None) => Rejection {
                statuses: vec![400],
                key: "error".to_owned(),
                values: vec!["invalid_grant".to_owned(), "invalid_permissions".to_owned()],
            },
        };
        let assertion = match component.optional::<bool>("use_profile_assertion")?.unwrap_or_default() {
            true => Some(component.required("profile_assertion")?),
            false => None,
        };
        component.skip_fields(&["profile_assertion"]);
        let grant_type = match &assertion {
            Some(_) => Template::of("urn:ietf:params:oauth:grant-type:jwt-bearer"),
            None => named("grant_type", "refresh_token")?,
        };
        let authenticator = OAuth {
            endpoint: component.optional("token_refresh_endpoint")?,
            names: Names {
                client_id: named("client_id_name", "client_id")?,
                client_secret: named("client_secret_name", "client_secret")?,
                refresh_token: refresh_token_name,
                grant_type: named("grant_type_name", "grant_type")?,
                access_token: named("access_token_name", "access_token")?,
                expires_in: named("expires_in_name", "expires_in")?,
            },
            client_id: component.optional("client_id")?,
            client_secret: component.optional("client_secret")?,
            refresh_token: component.optional("refresh_token")?,
            access_token_value: component.optional("access_token_value")?,
            grant_type,
            scopes: component.optional("scopes")?.unwrap_or_default(),
            body: component.optional("refresh_request_body")?,
            headers: component.optional("refresh_request_headers")?,
            in_query: component.optional("send_refresh_request_as_query_params")?.unwrap_or_default(),
            token_expiry_date: component.optional("token_expiry_date")?,
            expires_at: component.optional::<String>("token_expiry_date_format")?.is_some_and(|text| !text.is_empty()),
            rejection,
            updater,
            assertion,
            token: RefCell::default(),
        };
        let has_credentials = authenticator.client_id.is_some() && authenticator.client_secret.is_some();
        if authenticator.updater.is_none() && authenticator.assertion.is_none() && !has_credentials {
            return Err(node.invalid("lacks the fields client_id and client_secret"));
        }
        component.finish();
        Ok(authenticator)
    }
}

impl Rejection {
    fn of(component: &Component<'_>) -> manifest::Result<Option<Self>> {
        let statuses: Vec<u64> = component.optional("refresh_token_error_status_codes")?.unwrap_or_default();
        let key: String = component.optional("refresh_token_error_key")?.unwrap_or_default();
        let values: Vec<String> = component.optional("refresh_token_error_values")?.unwrap_or_default();
        let is_said = !statuses.is_empty() || !key.is_empty() || !values.is_empty();
        Ok(is_said.then_some(Rejection { statuses, key, values }))
    }
}

impl Updater {
    fn of(component: &Component<'_>) -> manifest::Result<Self> {
        let path = |field, name: &str| {
            let default = || vec!["credentials".to_owned(), name.to_owned()];
            Ok(component.optional(field)?.unwrap_or_else(default))
        };
        Ok(Updater {
            access_token: path("access_token_config_path", "access_token")?,
            refresh_token: path("refresh_token_config_path", "refresh_token")?,
            expiry_date: path("token_expiry_date_config_path", "token_expiry_date")?,
        })
    }
}

impl OAuth {
    /// The value of the header: `Bearer …`.
    pub fn header(&self, session: &Session) -> Result<String> {
        let known = self.known_token(session)?;
        let token = match known {
            // Nobody gives another one.
            Some(token) if self.endpoint.is_none() => token.value,
            Some(token) if token_time::now() <= token.expires => token.value,
            _ => self.new_token(session).map_err(|refused| refused.failure)?.value,
        };
        Ok(format!("Bearer {token}"))
    }

    /// Gets a new token, although the one there is has not expired.
    pub fn refresh(&self, session: &Session) -> Result<Refresh> {
        match self.new_token(session) {
            Ok(_) => Ok(Refresh::Done),
            Err(Refused { failure, .. }) if failure.interruption().is_some() => Err(failure),
            Err(Refused { failure, .. }) if failure.kind == FailureKind::ConfigError => Err(failure),
            Err(Refused { failure, is_rejection: true }) => {
                Err(config_error("OAuth token refresh request is rejected by the token endpoint.")
                    .with_internal(failure.message))
            }
            Err(Refused { failure, .. }) => Ok(Refresh::Failed(failure)),
        }
    }

    /// The token that there is, which may have expired.
    fn known_token(&self, session: &Session) -> Result<Option<Token>> {
        if let Some(updater) = &self.updater {
            let config = session.current_config();
            let text = |path: &[String]| value_at(&config, path).map(python_text).filter(|text| !text.is_empty());
            let expires = match text(&updater.expiry_date) {
                None => f64::MIN,
                Some(date) => token_time::parse(&date).ok_or_else(|| no_date(&date))?,
            };
            return Ok(Some(Token { value: text(&updater.access_token).unwrap_or_default(), expires }));
        }
        if let Some(token) = &*self.token.borrow() {
            return Ok(Some(token.clone()));
        }
        let Some(template) = &self.access_token_value else { return Ok(None) };
        let value = template.text(&session.scope)?;
        let expires = match &self.token_expiry_date {
            None => f64::MIN,
            Some(date) => {
                let date = date.text(&session.scope)?;
                token_time::parse(&date).ok_or_else(|| no_date(&date))?
            }
        };
        Ok(Some(Token { value, expires }))
    }

    fn new_token(&self, session: &Session) -> Result<Token, Refused> {
        let response = self.ask(session)?;
        let find = |name: &Template| -> Result<Option<Value>> {
            let name = name.text(&session.scope)?;
            Ok(find(&response, &name, 0)?.filter(|value| !value.is_null()).cloned())
        };
        let Some(value) = find(&self.names.access_token)?.filter(is_true) else {
            let name = self.names.access_token.text(&session.scope)?;
            return Err(system_error(format!("Token refresh API response was missing access token {name}.")).into());
        };
        let expires = match find(&self.names.expires_in)? {
            Some(value) => self.expiry(&python_text(&value))?,
            None => match self.known_token(session)? {
                Some(token) if token_time::now() <= token.expires => token.expires,
                _ => token_time::now() + DEFAULT_LIFE,
            },
        };
        let token = Token { value: python_text(&value), expires };
        match &self.updater {
            Some(updater) => {
                let mut config = session.current_config();
                set(&mut config, &updater.access_token, token.value.clone().into())?;
                if let Some(refresh_token) = find(&self.names.refresh_token)? {
                    set(&mut config, &updater.refresh_token, refresh_token)?;
                }
                set(&mut config, &updater.expiry_date, token_time::isoformat(token.expires).into())?;
                session.change_config(config)?;
            }
            None => drop(self.token.replace(Some(token.clone()))),
        }
        Ok(token)
    }

    fn expiry(&self, value: &str) -> Result<f64> {
        if self.expires_at {
            return token_time::parse(value).ok_or_else(|| no_date(value));
        }
        let seconds = value.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        seconds.map(|seconds| token_time::now() + seconds.trunc()).ok_or_else(|| {
            system_error(format!(
                "Invalid expires_in value: {value}. Expected number of seconds when no format specified."
            ))
        })
    }

    /// The response of the token's endpoint. It is asked again while that may help.
    fn ask(&self, session: &Session) -> Result<Value, Refused> {
        let request = self.request(session)?;
        let begun = token_time::now();
        let mut elapsed = 0.0;
        let mut tries = 0;
        loop {
            let failure = match request.send(crate::requester::TIMEOUTS) {
                Ok(response) if response.status == 429 || response.status >= 500 => {
                    system_error(format!("The OAuth token was not refreshed: {}.", status_error(&response)))
                }
                Ok(response) => return self.json(session, &response),
                Err(failure) if failure.kind != FailureKind::TransientError || failure.interruption().is_some() => {
                    return Err(failure.into());
                }
                Err(failure) => transient_error("OAuth access token refresh request failed due to a network error.")
                    .with_internal(failure.message),
            };
            if elapsed >= MAX_TIME {
                return Err(failure.into());
            }
            let longest = 2_f64.powi(tries);
            let seconds = (fastrand::f64() * longest).min(MAX_TIME - elapsed);
            log::info!("{} It is tried again in {seconds:.1} seconds.", failure.message);
            airlock_sdk::wait(Duration::try_from_secs_f64(seconds).unwrap_or_default())?;
            tries = tries.saturating_add(1);
            elapsed = token_time::now() - begun;
        }
    }

    fn json(&self, session: &Session, response: &HttpResponse) -> Result<Value, Refused> {
        let evidence = Evidence::of(response, &session.scope);
        if response.is_ok() {
            return evidence.json().cloned().ok_or_else(|| {
                system_error("OAuth access token refresh request failed: the answer is no JSON.").into()
            });
        }
        let Rejection { statuses, key, values } = &self.rejection;
        let error = |name: &str| evidence.json().and_then(|json| json.get(name)?.as_str());
        let is_rejected = statuses.contains(&response.status.into())
            && error(key).is_some_and(|error| values.iter().any(|value| value == error));
        let told = format!(
            "{}. The server says: {}",
            status_error(response),
            error_message(&evidence).unwrap_or_else(|| "nothing".to_owned())
        );
        if is_rejected {
            let code = error("error_description").and_then(provider_code);
            let provider = [error("error").filter(|error| !error.is_empty()), code];
            let provider = provider.into_iter().flatten().collect::<Vec<_>>().join(": ");
            let provider = if provider.is_empty() { provider } else { format!(" Provider error: {provider}") };
            return Err(config_error(format!(
                "Refresh token was rejected by the OAuth provider (invalid, expired, or already used). Re-authenticate this \
                 source's credentials in its connection settings.{provider}"
            ))
            .with_internal(told)
            .into());
        }
        let failure = system_error(format!("The OAuth token was not refreshed: {told}"));
        Err(Refused { failure, is_rejection: true })
    }

    fn request(&self, session: &Session) -> Result<PreparedRequest> {
        let scope = &session.scope;
        let url = match &self.endpoint {
            Some(endpoint) => endpoint.text(scope)?,
            None => {
                return Err(system_error("The OAuth authenticator has no access token and no token_refresh_endpoint."));
            }
        };
        if url.is_empty() {
            return Err(system_error("OAuthAuthenticator was unable to evaluate token_refresh_endpoint parameter"));
        }
        // What is null is sent as nothing.
        let fields =
            |map: &Option<TemplateMap>| map.as_ref().map_or_else(|| Ok(Object::new()), |map| map.evaluate(scope));
        let headers = fields(&self.headers)?;
        let arguments = match &self.assertion {
            Some(assertion) => Object::from_iter([
                (self.names.grant_type.text(scope)?, self.grant_type.evaluate(scope)?),
                ("assertion".to_owned(), assertion.token(session)?.into()),
            ]),
            None => self.arguments(session, headers.contains_key("Authorization"), fields(&self.body)?)?,
        };
        let mut options = RequestOptions::default();
        match self.in_query && self.assertion.is_none() {
            true => options.parameters = arguments,
            false => options.body_data = Some(arguments.into()),
        }
        let mut request = PreparedRequest::new("POST", &url, options)?;
        request.set_secret_headers(&headers);
        Ok(request)
    }

    fn arguments(&self, session: &Session, credentials_in_header: bool, more: Object) -> Result<Object> {
        let scope = &session.scope;
        let config = session.current_config();
        // With an updater, what the config has at the usual place comes first.
        let credential = |template: &Option<Template>, name: &str| -> Result<Value> {
            let path = ["credentials".to_owned(), name.to_owned()];
            match value_at(&config, &path).filter(|_| self.updater.is_some()) {
                Some(value) => Ok(value.clone()),
                None => template.as_ref().map_or(Ok(Value::from("")), |template| template.evaluate(scope)),
            }
        };
        let mut arguments = Object::new();
        let grant_type = self.grant_type.evaluate(scope)?;
        let refresh_token = match (&self.updater, &self.refresh_token) {
            (Some(updater), _) => Some(value_at(&config, &updater.refresh_token).cloned().unwrap_or_else(|| "".into())),
            (None, Some(template)) => Some(template.text(scope)?.into()),
            (None, None) if grant_type == "refresh_token" => {
                return Err(system_error(
                    "OAuthAuthenticator configuration error: A 'refresh_token' is required when the 'grant_type' is set to \
                     'refresh_token'.",
                ));
            }
            (None, None) => None,
        };
        arguments.insert(self.names.grant_type.text(scope)?, grant_type);
        if !credentials_in_header {
            let client_id = credential(&self.client_id, "client_id")?;
            if !is_true(&client_id) {
                return Err(system_error("OAuthAuthenticator was unable to evaluate client_id parameter"));
            }
            arguments.insert(self.names.client_id.text(scope)?, client_id);
            let client_secret = credential(&self.client_secret, "client_secret")?;
            if !is_true(&client_secret) {
                log::warn!("OAuthAuthenticator was unable to evaluate client_secret parameter hence it'll be empty");
            }
            arguments.insert(self.names.client_secret.text(scope)?, client_secret);
        }
        arguments.insert(self.names.refresh_token.text(scope)?, refresh_token.into());
        if !self.scopes.is_empty() {
            arguments.insert("scopes".to_owned(), self.scopes.clone().into());
        }
        for (name, value) in more {
            arguments.entry(name).or_insert(value);
        }
        Ok(arguments)
    }
}

/// The code that a provider's description begins with: `AADSTS50173`.
fn provider_code(description: &str) -> Option<&str> {
    let word = description.trim().split(|character: char| !character.is_ascii_alphanumeric()).next()?;
    let digits = word.trim_start_matches(|character: char| character.is_ascii_alphabetic());
    let letters = word.len() - digits.len();
    let is_code = letters >= 3 && digits.len() >= 4 && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_code.then_some(word)
}

/// The value of the first field of this name, however deep it is.
fn find<'v>(value: &'v Value, name: &str, depth: u32) -> Result<Option<&'v Value>> {
    if depth > MAX_DEPTH {
        return Err(config_error(format!(
            "The maximum level of recursion is reached. Couldn't find the specified `{name}` in the response."
        )));
    }
    let values: Vec<&Value> = match value {
        Value::Object(fields) if fields.contains_key(name) => return Ok(fields.get(name)),
        Value::Object(fields) => fields.values().collect(),
        Value::Array(values) => values.iter().collect(),
        _ => return Ok(None),
    };
    for value in values {
        if let Some(found) = find(value, name, depth + 1)?.filter(|found| !found.is_null()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Sets what stands at a path in the config.
fn set(config: &mut Object, path: &[String], value: Value) -> Result<()> {
    let Some((last, path)) = path.split_last() else { return Ok(()) };
    let mut object = config;
    for name in path {
        object = match object.entry(name).or_insert_with(|| Object::new().into()) {
            Value::Object(object) => object,
            _ => {
                return Err(config_error(format!(
                    "The config's {name:?} is no object, and a new token is to be kept in it."
                )));
            }
        };
    }
    object.insert(last.clone(), value);
    Ok(())
}

fn no_date(text: &str) -> Failure {
    system_error(format!("Invalid token expiry date format: {text:?} is no time that can be read."))
}
