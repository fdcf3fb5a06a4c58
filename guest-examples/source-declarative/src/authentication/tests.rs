//! Tokens and where they go. What is expected is what the Python CDK sends with the same manifest and the same responses.

use airlock_sdk::testing::{Event, Host, HttpRequest, HttpResponse, Run};
use airlock_sdk::{FailureKind, testing};
use serde_json::{Value, json};

use crate::request_options::RequestOptions;
use crate::requester::tests::{object, requester};
use crate::session::Session;

/// Sends so many requests with this authenticator.
fn run_with(
    fields: Value,
    config: Value,
    times: usize,
    answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static,
) -> Run {
    let requester = requester(fields).unwrap();
    Host::new().answering(answer).run(|| {
        let session = Session::new(object(config));
        for _ in 0..times {
            requester.send(&session, None, RequestOptions::default(), &session.scope)?;
        }
        Ok(())
    })
}

/// Method, URL, the header that is asked for, and body of each request.
fn sent(run: &Run, header: &str) -> Vec<String> {
    let told = |request: &&HttpRequest| {
        let header = request.header(header).unwrap_or("-");
        format!("{} {} {header} {}", request.method, request.url, String::from_utf8_lossy(&request.body))
    };
    run.requests().iter().map(told).collect()
}

/// The one request with this authenticator.
fn request(authenticator: Value, config: Value, more: Value, header: &str) -> String {
    let mut fields = json!({"authenticator": authenticator});
    fields.as_object_mut().unwrap().extend(object(more));
    let run = run_with(fields, config, 1, |_| HttpResponse::json(&json!([])));
    assert_eq!(run.result, Ok(()));
    sent(&run, header).remove(0)
}

#[test]
fn a_token_goes_where_the_manifest_says() {
    let bearer = json!({"type": "BearerAuthenticator", "api_token": "{{ config['t'] }}"});
    let authorized = |authenticator: &Value, config: Value| {
        request(authenticator.clone(), config, json!({}), "authorization")
            .replace("GET https://api.example/v1/users ", "")
    };
    assert_eq!(authorized(&bearer, json!({"t": "007"})), "Bearer 007 ");
    let basic = json!({"type": "BasicHttpAuthenticator", "username": "{{ config['u'] }}", "password": "p:q"});
    assert_eq!(authorized(&basic, json!({"u": "ü"})), "Basic w7w6cDpx ");
    assert_eq!(authorized(&json!({"type": "BasicHttpAuthenticator", "username": "u"}), json!({})), "Basic dTo= ");
    assert_eq!(authorized(&json!({"type": "NoAuth"}), json!({})), "- ");
    let selective = json!({
        "type": "SelectiveAuthenticator", "authenticator_selection_path": ["c", "t"],
        "authenticators": {"a": bearer, "b": {"type": "NoAuth"}},
    });
    assert_eq!(authorized(&selective, json!({"c": {"t": "a"}, "t": "x"})), "Bearer x ");
    assert_eq!(authorized(&selective, json!({"c": {"t": "b"}, "t": "x"})), "- ");
    for config in [json!({"c": {"t": "z"}}), json!({"c": {}}), json!({})] {
        let run = run_with(json!({"authenticator": selective}), config, 1, |_| HttpResponse::json(&json!([])));
        assert_eq!(run.result.unwrap_err().kind, FailureKind::ConfigError);
    }
    let key = |fields: Value| {
        let mut key = json!({"type": "ApiKeyAuthenticator", "api_token": "{{ config['t'] }}"});
        key.as_object_mut().unwrap().extend(object(fields));
        key
    };
    let into =
        |into: &str| key(json!({"inject_into": {"type": "RequestOption", "inject_into": into, "field_name": "key"}}));
    let config = || json!({"t": "a b"});
    let header = request(key(json!({"header": "X-Key"})), config(), json!({}), "x-key");
    assert_eq!(header, "GET https://api.example/v1/users a b ");
    let parameters = json!({"request_parameters": {"a": "1"}});
    let parameter = request(into("request_parameter"), config(), parameters, "x-key");
    assert_eq!(parameter, "GET https://api.example/v1/users?a=1&key=a+b - ");
    let body = json!({"http_method": "POST", "request_body_json": {"a": 1}});
    let in_json = request(into("body_json"), config(), body, "content-type");
    assert_eq!(in_json, r#"POST https://api.example/v1/users application/json {"a": 1, "key": "a b"}"#);
    let in_form = request(into("body_data"), config(), json!({"http_method": "POST"}), "x-key");
    assert_eq!(in_form, "POST https://api.example/v1/users - key=a+b");
}

#[test]
fn secrets_stand_in_no_message() {
    let option = json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": "key"});
    let key = json!({"type": "ApiKeyAuthenticator", "api_token": "hush-hush", "inject_into": option});
    let run = run_with(json!({"authenticator": key}), json!({}), 1, |_| HttpResponse::new(422));
    assert!(run.requests()[0].url.ends_with("?key=hush-hush"));
    let failure = run.result.unwrap_err();
    assert!(failure.message.contains("https://api.example/v1/users?key=…"), "{}", failure.message);
    assert!(
        !format!(
            "{failure:?} {:?}",
            run.events.iter().filter(|event| matches!(event, Event::Log(_))).collect::<Vec<_>>()
        )
        .contains("hush")
    );
}

#[test]
fn what_an_api_says_tells_no_token() {
    let told = |authenticator: Value, filters: Value, status: u16| {
        let fields = json!({"authenticator": authenticator, "error_handler": {
            "type": "DefaultErrorHandler", "max_retries": 0, "response_filters": filters,
        }});
        let run = run_with(fields, json!({"id": 12}), 1, move |request| match request.url.contains("auth.example") {
            true => HttpResponse::json(&json!({"access_token": "A/TOKEN", "expires_in": 60})),
            false => {
                let header = request.header("authorization").unwrap_or("-");
                let said = json!({"message": format!("not {header}, A/TOKEN and {}", request.url)});
                HttpResponse::new(status).body(said.to_string())
            }
        });
        let logs: Vec<&Event> = run.events.iter().filter(|event| matches!(event, Event::Log(_))).collect();
        let logged = format!("{logs:?}");
        let failure = run.result.unwrap_err();
        let told = format!("{} {} {logged}", failure.message, failure.internal_message().unwrap_or_default());
        (told.contains("not Bearer ****") || told.contains("k=****"), told)
    };
    let saying = json!([{
        "type": "HttpResponseFilter", "http_codes": [400, 503], "action": "FAIL", "error_message": "It said {{ response.message }}",
    }]);
    let retrying = json!([{
        "type": "HttpResponseFilter", "http_codes": [400, 503], "action": "RETRY", "error_message": "It said {{ response.message }}",
    }]);
    let option = json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": "k"});
    let key = json!({"type": "ApiKeyAuthenticator", "api_token": "A/TOKEN", "inject_into": option});
    for authenticator in [oauth(json!({}))["authenticator"].clone(), key] {
        for (filters, status) in [(json!([]), 400), (saying.clone(), 400), (retrying.clone(), 503)] {
            let (is_masked, told) = told(authenticator.clone(), filters, status);
            assert!(is_masked && !told.contains("A/TOKEN") && !told.contains("A%2FTOKEN"), "{told}");
        }
    }
}

fn oauth(fields: Value) -> Value {
    let mut oauth = json!({
        "type": "OAuthAuthenticator", "client_id": "{{ config['id'] }}", "client_secret": "se cret", "refresh_token": "re",
        "token_refresh_endpoint": "https://auth.example/token",
    });
    oauth.as_object_mut().unwrap().extend(object(fields));
    json!({"authenticator": oauth})
}

/// A server that gives this for a token, and an empty list else.
fn giving(status: u16, token: Value) -> impl FnMut(&HttpRequest) -> HttpResponse {
    move |request| match request.url.contains("auth.example") {
        true => HttpResponse::new(status).body(token.to_string()),
        false => HttpResponse::json(&json!([])),
    }
}

const ASKED: &str =
    "POST https://auth.example/token - grant_type=refresh_token&client_id=12&client_secret=se+cret&refresh_token=re";

#[test]
fn an_access_token_is_asked_for_and_kept() {
    let run = |fields: Value, token: Value, times: usize| {
        let run = run_with(oauth(fields), json!({"id": "12"}), times, giving(200, token));
        assert_eq!(run.result, Ok(()));
        sent(&run, "authorization")
    };
    let user = |token: &str| format!("GET https://api.example/v1/users Bearer {token} ");
    assert_eq!(run(json!({}), json!({"access_token": "T", "expires_in": 100}), 2), [ASKED, &user("T"), &user("T")]);
    assert_eq!(
        run(json!({}), json!({"access_token": "T", "expires_in": "-5"}), 2),
        [ASKED, &user("T"), ASKED, &user("T")]
    );
    let other = json!({
        "scopes": ["a", "b"], "refresh_request_body": {"x": "1", "grant_type": "no"}, "access_token_name": "tk",
        "grant_type": "client_credentials",
    });
    assert_eq!(
        run(other, json!({"data": {"tk": "T"}}), 1),
        [
            "POST https://auth.example/token - grant_type=client_credentials&client_id=12&client_secret=se+cret&refresh_token=re\
         &scopes=a&scopes=b&x=1",
            &user("T")
        ]
    );
    let basic = json!({"refresh_request_headers": {"Authorization": "Basic x"}});
    assert_eq!(
        run(basic, json!({"access_token": "T"}), 2),
        ["POST https://auth.example/token Basic x grant_type=refresh_token&refresh_token=re", &user("T"), &user("T")]
    );
    assert_eq!(
        run(json!({"send_refresh_request_as_query_params": true}), json!({"access_token": "T"}), 1)[0],
        "POST https://auth.example/token?grant_type=refresh_token&client_id=12&client_secret=se+cret&refresh_token=re - "
    );
    let without = json!({"refresh_token": null, "grant_type": "client_credentials"});
    assert_eq!(
        run(without, json!({"access_token": "T"}), 1)[0],
        "POST https://auth.example/token - grant_type=client_credentials&client_id=12&client_secret=se+cret"
    );
    let given = json!({"access_token_value": "AV", "token_expiry_date": "2099-01-01"});
    assert_eq!(run(given, json!({}), 1), [user("AV")]);
    assert_eq!(run(json!({"access_token_value": "AV"}), json!({"access_token": "T"}), 1), [ASKED, &user("T")]);
    assert_eq!(run(json!({"access_token_value": "AV", "token_refresh_endpoint": null}), json!({}), 1), [user("AV")]);
    let at = json!({"token_expiry_date_format": "%Y", "expires_in_name": "exp"});
    assert_eq!(
        run(at, json!({"access_token": "T", "exp": "2099-01-01T00:00:00Z"}), 2),
        [ASKED, &user("T"), &user("T")]
    );
}

#[test]
fn who_gets_no_token_is_told_why() {
    let failure = |status: u16, token: Value| {
        let run = run_with(oauth(json!({})), json!({"id": "12"}), 1, giving(status, token));
        assert!(run.requests().iter().all(|request| request.url == "https://auth.example/token"));
        (run.waits().iter().sum::<std::time::Duration>().as_secs_f64().round() as u64, run.result.unwrap_err())
    };
    let (_, failed) = failure(400, json!({"error": "invalid_grant", "error_description": "AADSTS50173: x"}));
    assert_eq!(failed.kind, FailureKind::ConfigError);
    assert_eq!(
        failed.message,
        "Refresh token was rejected by the OAuth provider (invalid, expired, or already used). Re-authenticate this source's \
         credentials in its connection settings. Provider error: invalid_grant: AADSTS50173"
    );
    let (waited, failed) = failure(401, json!({"error": "x"}));
    assert_eq!((failed.kind, waited), (FailureKind::SystemError, 0));
    assert!(failed.message.contains("401 Client Error: Unauthorized for url: https://auth.example/token"));
    let (_, failed) = failure(200, json!({"other": "x"}));
    assert_eq!(failed.message, "Token refresh API response was missing access token access_token.");
    let (_, failed) = failure(200, json!({"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}));
    assert_eq!(failed.kind, FailureKind::ConfigError);
    // For five minutes.
    let (waited, failed) = failure(503, json!({}));
    assert_eq!((failed.kind, waited), (FailureKind::SystemError, 300));
}

#[test]
fn a_new_refresh_token_goes_into_the_config() {
    let config = json!({"id": "12", "credentials": {"refresh_token": "R1", "client_id": "cid"}});
    let token = json!({"access_token": "T", "refresh_token": "R2", "expires_in": 100});
    let run = run_with(oauth(json!({"refresh_token_updater": {}})), config, 2, giving(200, token));
    assert_eq!(run.result, Ok(()));
    assert_eq!(
        sent(&run, "authorization"),
        [
            "POST https://auth.example/token - grant_type=refresh_token&client_id=cid&client_secret=se+cret&refresh_token=R1",
            "GET https://api.example/v1/users Bearer T ",
            "GET https://api.example/v1/users Bearer T ",
        ]
    );
    let changed: Vec<Value> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ConfigChanged(config) => serde_json::from_str(config).ok(),
            _ => None,
        })
        .collect();
    let [mut changed] = <[Value; 1]>::try_from(changed).unwrap();
    let date = changed["credentials"]["token_expiry_date"].take();
    assert!(date.as_str().unwrap().ends_with("+00:00"), "{date}");
    let credentials =
        json!({"refresh_token": "R2", "client_id": "cid", "access_token": "T", "token_expiry_date": null});
    assert_eq!(changed, json!({"id": "12", "credentials": credentials}));
    let paths = json!({"refresh_token_updater": {
        "refresh_token_name": "rt", "refresh_token_config_path": ["rt"], "access_token_config_path": ["at"],
        "token_expiry_date_config_path": ["x", "exp"],
    }});
    let token = json!({"access_token": "T", "rt": "R2"});
    let run = run_with(oauth(paths), json!({"id": "12", "rt": "R1"}), 1, giving(200, token));
    assert!(sent(&run, "authorization")[0].ends_with("client_id=12&client_secret=se+cret&rt=R1"));
}

/// REFRESH_TOKEN_THEN_RETRY.
#[test]
fn a_refused_token_is_renewed_once() {
    let mut fields = oauth(json!({}));
    fields["error_handler"] = json!({"type": "DefaultErrorHandler", "response_filters": [
        {"type": "HttpResponseFilter", "http_codes": [401], "action": "REFRESH_TOKEN_THEN_RETRY"}
    ]});
    let run = |refused: usize, given: usize| {
        let (mut tokens, mut calls) = (0, 0);
        run_with(fields.clone(), json!({"id": "12"}), 1, move |request| match request.url.contains("auth.example") {
            true => {
                tokens += 1;
                let token = HttpResponse::json(&json!({"access_token": format!("T{tokens}"), "expires_in": 1000}));
                if tokens <= given { token } else { HttpResponse::new(403) }
            }
            false => {
                calls += 1;
                if calls <= refused { HttpResponse::new(401) } else { HttpResponse::json(&json!([])) }
            }
        })
    };
    let fine = run(1, 9);
    assert_eq!(fine.result, Ok(()));
    assert_eq!(
        sent(&fine, "authorization"),
        [ASKED, "GET https://api.example/v1/users Bearer T1 ", ASKED, "GET https://api.example/v1/users Bearer T2 "]
    );
    let failure = |run: Run| {
        let failure = run.result.clone().unwrap_err();
        (run.requests().len(), failure.kind, failure.message)
    };
    let rejected = "Refreshed OAuth access token is rejected by the API.".to_owned();
    assert_eq!(failure(run(9, 9)), (4, FailureKind::ConfigError, rejected));
    let rejected = "OAuth token refresh request is rejected by the token endpoint.".to_owned();
    assert_eq!(failure(run(9, 1)), (3, FailureKind::ConfigError, rejected));
}

fn session_token(fields: Value) -> Value {
    let mut authenticator = json!({
        "type": "SessionTokenAuthenticator", "session_token_path": ["data", "token"], "expiration_duration": "PT1H",
        "request_authentication": {"type": "Bearer"},
        "login_requester": {
            "type": "HttpRequester", "url_base": "https://auth.example/login", "path": "x", "http_method": "POST",
            "request_body_json": {"u": "{{ config['u'] }}"},
        },
    });
    authenticator.as_object_mut().unwrap().extend(object(fields));
    json!({"authenticator": authenticator})
}

#[test]
fn a_session_is_begun_for_its_token() {
    let token = || json!({"data": {"token": "ST"}});
    let run = |fields: Value, times: usize, header: &str| {
        let run = run_with(session_token(fields), json!({"u": "me"}), times, giving(200, token()));
        assert_eq!(run.result, Ok(()));
        sent(&run, header)
    };
    let login = r#"POST https://auth.example/login/x - {"u": "me"}"#;
    let user = "GET https://api.example/v1/users Bearer ST ";
    assert_eq!(run(json!({}), 2, "authorization"), [login, user, user]);
    assert_eq!(run(json!({"expiration_duration": null}), 2, "authorization"), [login, user, login, user]);
    let key = json!({"request_authentication": {
        "type": "ApiKey", "api_token": "Token {{ session_token }}",
        "inject_into": {"type": "RequestOption", "inject_into": "header", "field_name": "X-T"},
    }});
    assert_eq!(run(key, 1, "x-t"), [login, "GET https://api.example/v1/users Token ST "]);
    let list = run_with(session_token(json!({})), json!({"u": "me"}), 1, giving(200, json!([token()])));
    assert_eq!(list.requests().len(), 2);
    let none = run_with(session_token(json!({})), json!({"u": "me"}), 1, giving(200, json!({})));
    assert!(none.result.unwrap_err().message.contains("\"data.token\""));
    testing::pass_time(std::time::Duration::ZERO);
}

#[test]
fn the_older_session_token_is_validated() {
    let legacy = json!({
        "url_base": "https://api.example/v1/",
        "authenticator": {
            "type": "LegacySessionTokenAuthenticator", "header": "X-S", "login_url": "session",
            "validate_session_url": "user/current", "session_token_response_key": "id", "username": "{{ config['u'] }}",
            "password": "{{ config['p'] }}", "session_token": "{{ config['s'] }}",
        },
    });
    let run = |config: Value, times: usize, current: u16| {
        run_with(legacy.clone(), config, times, move |request| match request.url.rsplit('/').next() {
            Some("current") => HttpResponse::new(current),
            Some("session") => HttpResponse::json(&json!({"id": "NEW"})),
            _ => HttpResponse::json(&json!([])),
        })
    };
    let login = r#"POST https://api.example/v1/session - {"username": "me", "password": "pw"}"#;
    let user = "GET https://api.example/v1/users NEW ";
    let without = run(json!({"u": "me", "p": "pw", "s": ""}), 2, 401);
    assert_eq!(sent(&without, "x-s"), [login, user, user]);
    let current = "GET https://api.example/v1/user/current OLD ";
    let invalid = run(json!({"u": "me", "p": "pw", "s": "OLD"}), 1, 401);
    assert_eq!(sent(&invalid, "x-s"), [current, login, user]);
    let valid = run(json!({"u": "", "p": "", "s": "OLD"}), 1, 200);
    assert_eq!(sent(&valid, "x-s"), [current, "GET https://api.example/v1/users OLD "]);
    let none = run(json!({"u": "", "p": "", "s": ""}), 1, 200);
    assert!(none.result.unwrap_err().message.starts_with("Invalid credentials"));
}

#[test]
fn a_token_is_signed() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let jwt = json!({
        "type": "JwtAuthenticator", "secret_key": "{{ config['k'] }}", "algorithm": "HS256", "header_prefix": "Bearer",
        "jwt_headers": {"kid": "K", "typ": "JWT"}, "jwt_payload": {"iss": "I", "aud": "A"},
        "additional_jwt_payload": {"x": "1"},
    });
    let sent = request(jwt, json!({"k": "key"}), json!({}), "authorization");
    let token = sent.trim_end().strip_prefix("GET https://api.example/v1/users Bearer ").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decoded(parts[0]), r#"{"alg":"HS256","kid":"K","typ":"JWT"}"#);
    let claims = decoded(parts[1]);
    let of: Value = serde_json::from_str(&claims).unwrap();
    let now = of["iat"].as_u64().unwrap();
    let expected = format!(r#"{{"x":1,"iss":"I","aud":"A","iat":{now},"exp":{},"nbf":{now}}}"#, now + 1200);
    assert_eq!(claims, expected);
    let rs = json!({"type": "JwtAuthenticator", "secret_key": "k", "algorithm": "ES512"});
    let problem = requester(json!({"authenticator": rs})).unwrap_err();
    assert_eq!(problem.reason, crate::manifest::Reason::Unsupported);
}

#[test]
fn what_is_not_supported_is_told_when_it_is_read() {
    for (authenticator, path) in [
        (json!({"type": "RateLimitedMultipleTokenAuthenticator"}), "authenticator"),
        (json!({"type": "ApiKeyAuthenticator"}), "authenticator"),
        (json!({"type": "CustomAuthenticator", "class_name": "a.B"}), "authenticator"),
        (json!({"type": "OAuthAuthenticator", "client_id": "x"}), "authenticator"),
        (
            json!({"type": "SelectiveAuthenticator", "authenticator_selection_path": [], "authenticators": {"a": {}}}),
            "authenticator.authenticators.a",
        ),
    ] {
        assert_eq!(requester(json!({"authenticator": authenticator})).unwrap_err().path, path);
    }
}
