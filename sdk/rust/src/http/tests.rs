//! The rules of requests, against a server in memory: what is sent where, what is tried again, and what is said of it.

use std::cell::RefCell;
use std::io::{BufRead, Read};
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::testing::{Event, Host, HttpRequest, HttpResponse, HttpTrouble, Run};
use crate::{Failure, FailureKind, Interruption, Result, StreamWriter};

const TOKEN: &str = "s3cr3t/+token";

/// An API with every kind of secret.
fn api() -> Client {
    let api = Client::new("https://api.example/v2").unwrap();
    api.secret_header("Authorization", format!("Bearer {TOKEN}")).secret_query("api_key", TOKEN).query("lang", "en")
}

fn run(answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static, part: impl FnOnce() -> Result<()>) -> Run {
    Host::new().answering(answer).run(part)
}

/// Answers with these, in turn.
fn in_turn(responses: impl IntoIterator<Item = HttpResponse>) -> impl FnMut(&HttpRequest) -> HttpResponse {
    let mut responses = responses.into_iter().collect::<Vec<_>>().into_iter();
    move |request| responses.next().unwrap_or_else(|| panic!("one request more than expected: {}", request.url))
}

fn ok() -> HttpResponse {
    HttpResponse::json(&json!({"fine": true}))
}

/// What the part fails with, where the server answers like this.
fn failure(answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static, part: impl FnOnce() -> Result<()>) -> Failure {
    run(answer, part).result.unwrap_err()
}

fn urls(run: &Run) -> Vec<&str> {
    run.requests().iter().map(|request| request.url.as_str()).collect()
}

#[test]
fn a_request_has_what_the_client_and_itself_say() {
    let run = run(
        |_| ok(),
        || {
            api().get("orders").query("since", "1 & 2").header("Accept", "text/plain").send()?;
            api().get("/root?lang=de").header("user-agent", "me").send()?;
            api().get("https://api.example:443/x?api_key=from-a-link&a=%2fb").send().map(drop)
        },
    );
    assert_eq!(run.result, Ok(()));
    let key = "api_key=s3cr3t%2F%2Btoken";
    assert_eq!(
        urls(&run),
        [
            format!("https://api.example/v2/orders?since=1+%26+2&lang=en&{key}"),
            format!("https://api.example/root?lang=de&{key}"),
            format!("https://api.example/x?a=%2fb&lang=en&{key}"),
        ]
    );
    let first = run.requests()[0];
    assert_eq!(first.header("authorization"), Some("Bearer s3cr3t/+token"));
    assert_eq!(first.header("accept"), Some("text/plain"));
    assert_eq!(first.header("user-agent"), Some(concat!("airlock-sdk/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(first.timeouts, Timeouts::default());
    assert_eq!(run.requests()[1].header("user-agent"), Some("me"));
}

#[test]
fn bodies_are_sent_with_their_type_and_length() {
    let run = run(
        |_| ok(),
        || {
            api().post("a").json(&json!({"x": 1})).send()?;
            api().put("b").form([("a", "1 2"), ("b", "&")]).send()?;
            api().patch("c").header("content-type", "text/csv").body("x,y").send()?;
            api().post("d").send()?;
            api().delete("e").send().map(drop)
        },
    );
    let sent: Vec<_> = run.requests();
    let told = |request: &HttpRequest| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let header = |name| request.header(name).unwrap_or("-").to_owned();
        format!("{} {body} {} {}", request.method, header("content-type"), header("content-length"))
    };
    assert_eq!(
        sent.into_iter().map(told).collect::<Vec<_>>(),
        [
            "POST {\"x\":1} application/json 7",
            "PUT a=1+2&b=%26 application/x-www-form-urlencoded 11",
            "PATCH x,y text/csv 3",
            "POST  - 0",
            "DELETE  - -",
        ]
    );
}

#[test]
fn a_base_must_be_a_url_of_the_web() {
    for base in [
        "",
        "api.example",
        "ftp://api.example",
        "https://",
        "https://me:s3cr3t@api.example",
        "https://me@x/",
        "https://x/?key=s3cr3t",
    ] {
        let failure = Client::new(base).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError, "{base}");
        assert!(!failure.message.contains("s3cr3t"), "{failure}");
    }
    let failure = failure(|_| ok(), || api().get("ftp://other").send().map(drop));
    assert_eq!(failure.kind, FailureKind::SystemError);
}

#[test]
fn a_segment_is_nothing_but_a_name() {
    let run = run(
        |_| ok(),
        || {
            api().get("orders").segment("a/../b?c#d%2F ü").segment(7).send()?;
            api().get("").segment("https://evil.example").send().map(drop)
        },
    );
    let path = |index: usize| urls(&run)[index].split('?').next().unwrap().to_owned();
    assert_eq!(path(0), "https://api.example/v2/orders/a%2F..%2Fb%3Fc%23d%252F%20%C3%BC/7");
    assert_eq!(path(1), "https://api.example/v2/https:%2F%2Fevil.example");
    for odd in ["", ".", ".."] {
        let failure = failure(|_| ok(), || api().get("orders").segment(odd).send().map(drop));
        assert_eq!(failure.kind, FailureKind::ConfigError, "{odd:?}");
    }
}

#[test]
fn a_header_that_can_not_be_sent_is_told_without_its_value() {
    for (name, value) in [("x-token", "abc\r\nx: y"), ("x-token", "abc\0"), ("x y", "abc"), ("", "abc")] {
        let failure = failure(|_| ok(), || api().get("x").secret_header(name, value).send().map(drop));
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert!(!format!("{failure:?}").contains("abc"), "{failure:?}");
    }
}

#[test]
fn headers_that_are_too_long_are_a_config_error_without_their_value() {
    let long = "s3cr3t".repeat(40_000);
    let run = run(|_| ok(), || api().get("x").secret_header("x-token", long).send().map(drop));
    let failure = run.result.clone().unwrap_err();
    assert_eq!(failure.kind, FailureKind::ConfigError);
    assert!(failure.message.contains("x-token") && failure.message.contains("too long"), "{failure}");
    assert!(failure.message.len() < 300 && run.requests().is_empty());
}

#[test]
fn a_host_that_only_a_server_named_is_none_for_the_user_to_allow() {
    let deny = |request: &HttpRequest| match request.url.contains("evil") || request.url.contains("given") {
        true => HttpResponse::none(HttpTrouble::Denied),
        false if request.url.contains("list") => HttpResponse::json(&json!({"next": "https://evil.example/list"})),
        false => HttpResponse::new(302).header("location", "https://evil.example/x"),
    };
    let page_after = || {
        let mut pages = api().get("list").pages(Paging::next_link("next"));
        pages.next().transpose()?;
        pages.next().transpose().map(drop)
    };
    for failure in [failure(deny, || api().get("x").send().map(drop)), failure(deny, page_after)] {
        assert_eq!(failure.kind, FailureKind::SystemError);
        assert!(
            failure.message.starts_with("GET https://evil.example/") && failure.message.contains("leads to"),
            "{failure}"
        );
    }
    // What the connector names itself, and the base, are the user's.
    let given = failure(deny, || api().get("https://given.example/").send().map(drop));
    let base = failure(deny, || Client::new("https://evil.example")?.get("x").send().map(drop));
    assert_eq!((given.kind, base.kind), (FailureKind::ConfigError, FailureKind::ConfigError));
}

#[test]
fn what_may_pass_is_tried_again_with_growing_waits() {
    let responses = [500, 502, 503, 504, 599].map(HttpResponse::new);
    let run = run(in_turn(responses.into_iter().chain([ok()])), || api().get("x").send().map(drop));
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.requests().len(), 6);
    for (wait, longest) in run.waits().iter().zip([1000, 2000, 4000, 8000, 16000]) {
        let wait = wait.as_millis();
        assert!((longest / 2..=longest).contains(&wait), "{wait} of {longest}");
    }
    assert_eq!(run.waits().len(), 5);
    let logs: Vec<_> = run.events.iter().filter(|event| matches!(event, Event::Log(_))).collect();
    assert!(
        format!("{:?}", logs[0]).contains(
            "GET https://api.example/v2/x?lang=en&api_key=… was answered with 500 (Internal Server Error). It is sent again in"
        ),
        "{logs:?}"
    );
}

#[test]
fn in_the_end_it_fails_with_the_last_reason() {
    let failure = failure(
        |_| HttpResponse::new(503),
        || api().retry(RetryPolicy { retries: 2, ..RetryPolicy::default() }).get("x").send().map(drop),
    );
    assert_eq!(failure.kind, FailureKind::TransientError);
    assert_eq!(
        failure.message,
        "GET https://api.example/v2/x?lang=en&api_key=… was answered with 503 (Service Unavailable). It was tried 3 times."
    );
}

/// How often a request is sent that always fails like this.
fn tries(method: &str, response: HttpResponse) -> usize {
    let request = match method {
        "GET" => api().get("x"),
        "PUT" => api().put("x"),
        "DELETE" => api().delete("x"),
        "PATCH" => api().patch("x"),
        "POST" => api().post("x"),
        _ => api().post("x").retry_unsafe(),
    };
    run(move |_| response.clone(), move || request.send().map(drop)).requests().len()
}

#[test]
fn only_what_is_harmless_is_tried_again() {
    let broken = || HttpResponse::new(200).body("{").breaking_off(HttpTrouble::Incomplete);
    let busy = || HttpResponse::new(503).header("retry-after", 1);
    for (response, harmless, harmful) in [
        (HttpResponse::new(500), 6, 1),
        (HttpResponse::new(408), 6, 1),
        (HttpResponse::new(503), 6, 1),
        (busy(), 6, 6),
        (HttpResponse::new(429), 6, 6),
        (HttpResponse::new(403), 1, 1),
        (HttpResponse::new(403).header("retry-after", 1), 6, 6),
        (HttpResponse::new(501), 1, 1),
        (HttpResponse::new(505), 1, 1),
        (HttpResponse::new(404), 1, 1),
        (broken(), 6, 1),
        (HttpResponse::none(HttpTrouble::Terminated), 6, 1),
        (HttpResponse::none(HttpTrouble::ResponseTimeout), 6, 1),
        (HttpResponse::none(HttpTrouble::Refused), 6, 6),
        (HttpResponse::none(HttpTrouble::NoSuchHost), 6, 6),
        (HttpResponse::none(HttpTrouble::Denied), 1, 1),
        (HttpResponse::none(HttpTrouble::Untrusted), 1, 1),
        (HttpResponse::none(HttpTrouble::Tls), 1, 1),
        (HttpResponse::none(HttpTrouble::HeadersTooLong), 1, 1),
    ] {
        for method in ["GET", "PUT", "DELETE", "POST, unsafe"] {
            assert_eq!(tries(method, response.clone()), harmless, "{method}: {response:?}");
        }
        for method in ["POST", "PATCH"] {
            assert_eq!(tries(method, response.clone()), harmful, "{method}: {response:?}");
        }
    }
}

#[test]
fn each_trouble_and_status_has_its_kind() {
    use FailureKind::{ConfigError, SystemError, TransientError};
    let kind = |response: HttpResponse| {
        failure(move |_| response.clone(), || api().retry(RetryPolicy::none()).get("x").send().map(drop)).kind
    };
    for (statuses, expected) in [
        (&[401, 403][..], ConfigError),
        (&[408, 425, 429, 500, 501, 503, 505, 599], TransientError),
        (&[304, 400, 404, 409, 410, 422, 600], SystemError),
    ] {
        for status in statuses {
            assert_eq!(kind(HttpResponse::new(*status)), expected, "{status}");
        }
    }
    for (trouble, expected) in [
        (HttpTrouble::Denied, ConfigError),
        (HttpTrouble::Untrusted, ConfigError),
        (HttpTrouble::NoSuchHost, TransientError),
        (HttpTrouble::ConnectTimeout, TransientError),
        (HttpTrouble::ReadTimeout, TransientError),
        (HttpTrouble::Incomplete, TransientError),
        (HttpTrouble::Malformed, TransientError),
        (HttpTrouble::Other("why".to_owned()), TransientError),
        (HttpTrouble::TooMany, SystemError),
        (HttpTrouble::HeadersTooLong, SystemError),
    ] {
        assert_eq!(kind(HttpResponse::none(trouble.clone())), expected, "{trouble:?}");
    }
}

#[test]
fn a_server_says_how_long_to_wait_and_the_platform_hears_of_it() {
    let responses = [HttpResponse::new(429).header("Retry-After", 7), HttpResponse::new(500), ok()];
    let run = run(in_turn(responses), || {
        let mut orders = StreamWriter::open("orders")?;
        orders.write(&json!({"id": 1}))?;
        api().get("x").for_stream(&mut orders).send().map(drop)
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.waits()[0], Duration::from_secs(7));
    let order: Vec<&str> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Requested(_) => Some("request"),
            Event::Records { .. } => Some("records"),
            Event::Running { reasons, .. } => {
                assert!(reasons.contains("RATE_LIMITED") && reasons.contains("quota_reset"), "{reasons}");
                Some("rate limited")
            }
            Event::Waited(_) => Some("wait"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["request", "records", "rate limited", "wait", "request", "wait", "request"]);
}

#[test]
fn a_date_in_retry_after_is_a_time_to_wait_for() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
    let responses = [HttpResponse::new(503).header("retry-after", date), ok()];
    let wait = run(in_turn(responses), || api().get("x").send().map(drop)).waits()[0];
    assert!((90..=100).contains(&wait.as_secs()), "{wait:?}");
    // "Now", and what is no time, are no reason to come back at once.
    for value in ["0", "Sun, 06 Nov 1994 08:49:37 GMT", "soon"] {
        let responses = [HttpResponse::new(429).header("retry-after", value), ok()];
        let wait = run(in_turn(responses), || api().get("x").send().map(drop)).waits()[0];
        assert!((4000..=8000).contains(&wait.as_millis()), "{value}: {wait:?}");
    }
}

#[test]
fn a_quota_of_a_minute_is_waited_for_although_nobody_says_how_long_it_lasts() {
    let run = run(|_| HttpResponse::new(429), || api().get("x").send().map(drop));
    assert!(run.waits().iter().sum::<Duration>() >= Duration::from_secs(85), "{:?}", run.waits());
}

#[test]
fn a_403_that_says_when_to_come_back_is_a_quota() {
    let run = run(
        |_| HttpResponse::new(403).header("retry-after", "30.5"),
        || {
            let mut orders = StreamWriter::open("orders")?;
            api().get("x").for_stream(&mut orders).send().map(drop)
        },
    );
    let failure = run.result.clone().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransientError);
    assert!(!failure.message.contains("credentials"), "{failure}");
    assert_eq!(run.waits(), [Duration::from_secs(31); 5]);
    let limited = run.events.iter().filter(|event| matches!(event, Event::Running { .. })).count();
    assert_eq!(limited, 5);
}

#[test]
fn a_wait_that_is_too_long_fails_at_once() {
    let run = run(|_| HttpResponse::new(429).header("retry-after", 3600), || api().get("x").send().map(drop));
    let failure = run.result.clone().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransientError);
    assert!(failure.message.contains("3600 seconds"), "{failure}");
    assert_eq!((run.requests().len(), run.waits().len()), (1, 0));
}

#[test]
fn an_interruption_ends_a_request_and_a_wait() {
    let interruption = |answer: fn(&HttpRequest) -> HttpResponse, host: Host| {
        let run = host.answering(answer).run(|| {
            let failure = api().get("x").send().unwrap_err();
            assert_eq!(failure.interruption(), Some(&Interruption::Cancelled));
            Ok(())
        });
        assert_eq!(run.result, Ok(()));
        run.requests().len()
    };
    let host = || Host::new().interrupting_after(0, Interruption::Cancelled);
    assert_eq!(interruption(|_| ok(), host()), 0);
    let cancelled = |_: &HttpRequest| HttpResponse::none(HttpTrouble::Interrupted(Interruption::Cancelled.into()));
    assert_eq!(interruption(cancelled, Host::new()), 1);
}

#[test]
fn an_interruption_that_looks_like_trouble_is_one() {
    // The host lets what waits fail. A POST is not tried again, so that no wait would hear of it.
    let run = Host::new()
        .interrupting_after(1, Interruption::Closed)
        .answering(|_| HttpResponse::none(HttpTrouble::Other("the sync is interrupted".to_owned())))
        .run(|| {
            let mut writer = StreamWriter::open("x")?;
            writer.write(&json!({}))?;
            let failure = api().post("x").send().unwrap_err();
            assert_eq!(failure.interruption(), Some(&Interruption::Closed));
            Ok(())
        });
    assert_eq!((run.result.clone(), run.requests().len()), (Ok(()), 1));
}

#[test]
fn an_interruption_within_a_body_is_one() {
    let broken = HttpResponse::new(200).body("x").breaking_off(HttpTrouble::Other("interrupted".to_owned()));
    let run = Host::new().interrupting_after(1, Interruption::Closed).answering(move |_| broken.clone()).run(|| {
        let mut writer = StreamWriter::open("x")?;
        let mut reader = api().get("x").open()?.reader();
        writer.write(&json!({}))?;
        let failure = Failure::from(reader.read_to_end(&mut Vec::new()).unwrap_err());
        assert_eq!(failure.interruption(), Some(&Interruption::Closed));
        Ok(())
    });
    assert_eq!(run.result, Ok(()));
}

#[test]
fn a_body_that_breaks_off_is_read_again_from_its_beginning() {
    let broken = HttpResponse::new(200).body("[1, 2").breaking_off(HttpTrouble::ReadTimeout);
    let read = Rc::new(RefCell::new(Vec::new()));
    let result = Rc::clone(&read);
    let run = run(in_turn([broken, HttpResponse::new(200).body("[1, 2, 3]")]), move || {
        *result.borrow_mut() = api().get("x").send()?.json::<Vec<u32>>()?;
        Ok(())
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(*read.borrow(), [1, 2, 3]);
}

#[test]
fn what_a_server_says_of_an_error_is_shown_without_secrets() {
    let body = json!({"message": format!("the token {TOKEN} is\nwrong {}", "x ".repeat(150))});
    let failure = failure(move |_| HttpResponse::new(400).body(body.to_string()), || api().get("x").send().map(drop));
    assert!(failure.message.contains("400 (Bad Request): \"the token … is wrong x x x"), "{failure}");
    assert!(failure.message.ends_with("x …\"."), "{failure}");
    assert!(failure.message.chars().count() < 320, "{failure}");
    assert_eq!(failure.internal_message(), None);

    for body in [format!("<b>{TOKEN} is wrong"), "{\"code\": \"is wrong\"}".to_owned()] {
        let failure =
            self::failure(move |_| HttpResponse::new(400).body(body.clone()), || api().get("x").send().map(drop));
        assert!(failure.message.ends_with("was answered with 400 (Bad Request)."), "{failure}");
        let internal = failure.internal_message().unwrap();
        assert!(internal.contains("is wrong") && !internal.contains(TOKEN), "{internal}");
    }
}

#[test]
fn no_half_of_a_secret_is_left_by_a_cut() {
    // Of another's secret the SDK knows nothing, but the host does: it needs the whole of it.
    for at in 180..200 {
        let text = format!("{} 0ther-p@ssw:rd", "x".repeat(at));
        for body in [text.clone(), json!({"message": text}).to_string()] {
            let failure =
                failure(move |_| HttpResponse::new(400).body(body.clone()), || api().get("x").send().map(drop));
            let told = format!("{failure:?}");
            assert!(told.contains("xxx") && !told.replace("0ther-p@ssw:rd", "").contains("0t"), "{told}");
        }
    }
    let path = "part/".repeat(96);
    for at in 0..20 {
        let name = format!("{:?}", api().get(&format!("{path}{}/0ther-secret", "y".repeat(at))));
        assert!(name.starts_with("Request(GET https://api.example"), "{name}");
        assert!(name.contains("0ther-secret") || !name.contains("0t"), "{name}");
    }
}

#[test]
fn a_secret_in_another_form_is_hidden_too() {
    let forms = ["czNjcjN0Lyt0b2tlbg==", "s3cr3t%2F%2Btoken", TOKEN];
    for form in forms {
        let json = json!({"message": format!("not {form} at all")}).to_string();
        let failure = failure(move |_| HttpResponse::new(400).body(json.clone()), || api().get("x").send().map(drop));
        assert!(failure.message.contains("not …") && !failure.message.contains(form), "{failure}");
        let html = HttpResponse::new(200).header("content-type", format!("text/{form}")).body("<html>");
        let failure = self::failure(move |_| html.clone(), || api().get("x").page().map(drop));
        assert!(failure.message.contains("\"text/…") && !failure.message.contains(form), "{failure}");
    }
    let wide: Vec<u8> = TOKEN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let failure = failure(move |_| HttpResponse::new(401).body(wide.clone()), || api().get("x").send().map(drop));
    assert_eq!(failure.internal_message(), None);
}

#[test]
fn a_short_secret_garbles_no_name() {
    let run = run(
        |_| ok(),
        || {
            let api = Client::new("https://api.example")?.secret_query("key", "a").secret_header("x-user", "e");
            assert_eq!(api.get("a?key=a").send()?.name(), "GET https://api.example/a?key=…");
            Ok(())
        },
    );
    assert_eq!((run.result.clone(), urls(&run)), (Ok(()), vec!["https://api.example/a?key=a"]));
}

#[test]
fn basic_authentication_is_a_secret_with_all_of_its_parts() {
    let echo = |request: &HttpRequest| {
        let credentials = request.header("authorization").unwrap();
        HttpResponse::new(400).body(json!({"message": format!("open sesame? {credentials}!")}).to_string())
    };
    let run = run(echo, || {
        Client::new("https://api.example")?.basic_auth("Aladdin", "open sesame")?.get("x").send().map(drop)
    });
    assert_eq!(run.requests()[0].header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    let failure = run.result.clone().unwrap_err();
    assert!(failure.message.ends_with("\"…? …!\"."), "{failure}");
    let failure = Client::new("https://api.example").unwrap().basic_auth("a:b", "c").unwrap_err();
    assert_eq!(failure.kind, FailureKind::ConfigError);
}

#[test]
fn the_body_of_an_error_is_not_waited_for_forever() {
    let slow = HttpResponse::new(404).body("x".repeat(16_000)).pausing(Duration::from_secs(2));
    let before = crate::host::now();
    let failure = failure(move |_| slow.clone(), || api().get("x").send().map(drop));
    assert!(failure.message.contains("404"), "{failure}");
    let took = crate::host::now() - before;
    assert!((5..8).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn what_was_read_leaves_while_a_body_comes_in_small_parts() {
    for whole in [true, false] {
        let slow = HttpResponse::new(200).body("x".repeat(5000)).pausing(Duration::from_millis(500));
        let run = run(
            move |_| slow.clone(),
            || {
                let mut orders = StreamWriter::open("orders")?;
                orders.write(&json!({"id": 1}))?;
                match whole {
                    true => api().get("x").send().map(drop)?,
                    false => drop(api().get("x").open()?.reader().read_to_end(&mut Vec::new())?),
                }
                crate::config_changed(&json!({}))
            },
        );
        assert_eq!(run.result, Ok(()));
        let leaves = run.events.iter().position(|event| matches!(event, Event::Records { .. }));
        let ends = run.events.iter().position(|event| matches!(event, Event::ConfigChanged(_)));
        assert!(leaves.is_some() && leaves < ends, "{:?}", run.events);
    }
}

#[test]
fn an_accepted_status_is_a_response() {
    let run = run(
        |_| HttpResponse::new(404).body("{}"),
        || {
            let response = api().get("x").accepting(404).send()?;
            assert_eq!((response.status(), response.bytes()), (404, &b"{}"[..]));
            Ok(())
        },
    );
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.requests().len(), 1);
}

#[test]
fn a_redirect_takes_no_secrets_elsewhere() {
    let run = run(
        in_turn([
            HttpResponse::new(302).header("location", "/v3/x?a=1"),
            HttpResponse::new(307).header("location", "https://other.example/y?api_key=echoed&b=2"),
            HttpResponse::new(301).header("location", "https://api.example/z"),
            ok(),
        ]),
        || {
            let response = api().get("x").header("x-plain", 1).send()?;
            assert_eq!(response.url().as_str(), "https://api.example/z");
            Ok(())
        },
    );
    assert_eq!(run.result, Ok(()));
    let key = "api_key=s3cr3t%2F%2Btoken";
    assert_eq!(
        urls(&run)[1..],
        [
            format!("https://api.example/v3/x?a=1&{key}"),
            "https://other.example/y?b=2".to_owned(),
            format!("https://api.example/z?{key}"),
        ]
    );
    let authorized: Vec<bool> =
        run.requests().iter().map(|request| request.header("authorization").is_some()).collect();
    assert_eq!(authorized, [true, true, false, true]);
    assert!(run.requests().iter().all(|request| request.header("x-plain") == Some("1")));
}

#[test]
fn the_other_end_of_an_origin_is_another_origin() {
    for (base, elsewhere, is_told) in [
        ("https://api.example", "https://api.example:8443/", false),
        ("https://api.example", "https://api.example.evil/", false),
        ("https://api.example", "https://sub.api.example/", false),
        ("https://api.example", "https://API.example:443/", true),
        ("http://api.example", "https://api.example/", true),
        ("http://api.example:8080", "https://api.example/", false),
        ("http://api.example", "http://api.example:8080/", false),
    ] {
        let run = run(
            |_| ok(),
            || {
                let api = Client::new(base)?.secret_header("x-key", TOKEN).secret_query("key", TOKEN);
                api.get(elsewhere).send().map(drop)
            },
        );
        let request = run.requests()[0];
        assert_eq!(request.header("x-key").is_some(), is_told, "{base} {elsewhere}");
        assert_eq!(request.url.contains("key="), is_told, "{base} {elsewhere}");
    }
}

#[test]
fn a_redirect_is_a_get_without_a_body_unless_it_says_that_it_is_not() {
    for (status, is_get) in [(301, true), (302, true), (303, true), (307, false), (308, false)] {
        for asked in ["GET", "POST"] {
            let responses = [HttpResponse::new(status).header("location", "y"), ok()];
            let run = run(in_turn(responses), || {
                let api = api();
                let request = if asked == "GET" { api.get("x") } else { api.post("x") };
                request.json(&json!({})).send().map(drop)
            });
            let second = run.requests()[1];
            assert_eq!(second.method, if is_get { "GET" } else { asked }, "{status}");
            assert_eq!(second.body.is_empty(), is_get, "{status} {asked}");
            assert_eq!(second.header("content-type").is_none(), is_get, "{status} {asked}");
        }
    }
}

#[test]
fn redirects_that_are_not_followed_are_told() {
    let redirect = |status: u16, location: &str| HttpResponse::new(status).header("location", location);
    let told = |response: HttpResponse, why: &str| {
        let run = Host::new()
            .answering(move |_| response.clone())
            .run(|| api().put("x").body("client_secret=1").send().map(drop));
        let failure = run.result.clone().unwrap_err();
        assert_eq!(failure.kind, FailureKind::SystemError, "{failure}");
        assert!(failure.message.contains(why), "{failure}");
        run.requests().len()
    };
    assert_eq!(told(redirect(302, "http://api.example/x"), "from https to http"), 1);
    assert_eq!(told(redirect(302, "file:///etc/passwd"), "no http or https URL"), 1);
    assert_eq!(told(redirect(302, "https://me:pass@api.example/"), "user's name"), 1);
    assert_eq!(told(redirect(307, "https://other.example/x"), "its body is not sent"), 1);
    assert_eq!(told(redirect(302, "x"), "more than 10 times"), 11);
    assert_eq!(told(HttpResponse::new(302), "was answered with 302"), 1);
}

#[test]
fn a_body_that_is_too_long_is_not_kept() {
    let announced = HttpResponse::new(200).header("content-length", 5000);
    for response in [announced, HttpResponse::new(200).body("x".repeat(5000))] {
        let failure = failure(move |_| response.clone(), || api().max_body_bytes(4000).get("x").send().map(drop));
        assert_eq!(failure.kind, FailureKind::SystemError);
        assert!(failure.message.ends_with("more than the 4000 bytes that are allowed."), "{failure}");
    }
    let head = HttpResponse::new(200).header("content-length", 5000);
    assert_eq!(run(move |_| head.clone(), || api().max_body_bytes(4000).head("x").send().map(drop)).result, Ok(()));
}

#[test]
fn what_is_not_the_expected_json_is_told_by_its_place() {
    #[derive(Debug, Deserialize)]
    struct Expected {
        #[allow(dead_code)]
        name: u32,
    }
    let told = |body: &str| {
        let response = HttpResponse::new(200).header("content-type", "text/html").body(body);
        let failure = failure(move |_| response.clone(), || api().get("x").send()?.json::<Expected>().map(drop));
        assert_eq!(failure.kind, FailureKind::SystemError);
        assert!(!format!("{failure:?}").contains("Bob"), "{failure:?}");
        failure.message
    };
    let unended = told("{\"name\": 1\n");
    assert!(unended.ends_with("not valid JSON (line 2, column 0). It says that it is \"text/html\"."), "{unended}");
    assert!(
        told("{\"name\": \"Bob\"}").contains("JSON of another shape than the connector expects (line 1, column 14)")
    );
    assert!(told("<Bob>").contains("not valid JSON (line 1, column 1)"));
    assert!(told("").contains("nothing instead of JSON"));
    let run = run(
        |_| HttpResponse::new(200).body("\u{feff}{\"name\": 1}"),
        || {
            api().get("x").send()?.json::<Expected>().map(drop)?;
            assert_eq!(api().get("x").page()?.text("name")?.as_deref(), Some("1"));
            Ok(())
        },
    );
    assert_eq!(run.result, Ok(()));
}

#[test]
fn an_open_response_is_read_as_it_comes() {
    let long = "a".repeat(2500);
    let body = format!("{{\"a\": 1}}\r\n\n  \n{long}\n{{\"b\": 2}}");
    let run = run(
        move |_| HttpResponse::new(200).header("x-name", "y").body(body.clone()),
        || {
            let response = api().get("x").open()?;
            assert_eq!((response.status(), response.header("X-Name")), (200, Some("y")));
            let mut lines = response.lines();
            let mut read = Vec::new();
            while let Some(line) = lines.next_line()? {
                read.push(line.len());
            }
            assert_eq!(read, [8, 2500, 8]);
            assert_eq!(api().get("x").open()?.reader().lines().count(), 5);
            let mut lines = api().max_body_bytes(2000).get("x").open()?.lines();
            lines.next_line()?;
            let failure = lines.next_line().unwrap_err();
            assert!(failure.message.contains("a line of more than the 2000 bytes"), "{failure}");
            Ok(())
        },
    );
    assert_eq!(run.result, Ok(()));
}

#[test]
fn an_error_of_a_reader_is_the_failure() {
    let broken = HttpResponse::new(200).body("abc").breaking_off(HttpTrouble::Incomplete);
    let run = run(
        move |_| broken.clone(),
        || {
            let mut text = String::new();
            api().get("x").open()?.reader().read_to_string(&mut text)?;
            Ok(())
        },
    );
    let failure = run.result.clone().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransientError);
    assert!(failure.message.contains("was answered in part"), "{failure}");
    assert_eq!(run.requests().len(), 1, "what was read can not be taken back");
}

#[test]
fn no_secret_stands_in_a_message_or_a_log() {
    let echo = |request: &HttpRequest| HttpResponse::new(500).body(json!({"message": request.url}).to_string());
    let run = run(echo, || {
        let page = format!("https://api.example/{TOKEN}/x?session=s3cr3t%2F%2Btoken&unknown=value&lang=en");
        let request = api().get(&page);
        assert!(!format!("{request:?}").contains("s3cr3t"), "{request:?}");
        request.send().map(drop)
    });
    let told = format!(
        "{:?} {:?}",
        run.result,
        run.events.iter().filter(|event| matches!(event, Event::Log(_))).collect::<Vec<_>>()
    );
    assert!(!told.contains("s3cr3t"), "{told}");
    let failure = run.result.unwrap_err();
    let name = "GET https://api.example/…/x?session=…&unknown=…&lang=en&api_key=… was";
    assert!(failure.message.starts_with(name), "{failure}");
}

mod pages {
    use super::*;
    use serde_json::Value;

    /// The ids of all pages, and the position after each.
    fn read(mut pages: Pages) -> Result<(Vec<i64>, Vec<Value>)> {
        let (mut ids, mut positions) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().transpose()? {
            for record in page.records("data")? {
                ids.push(page.parse::<Value>(record)?["id"].as_i64().unwrap());
            }
            positions.push(serde_json::to_value(pages.position())?);
        }
        assert!(pages.is_over());
        Ok((ids, positions))
    }

    /// What the pages of this server are.
    fn collect(
        answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static,
        pages: impl FnOnce() -> Result<Pages>,
    ) -> (Run, Vec<i64>, Vec<Value>) {
        let mut read_pages = (Vec::new(), Vec::new());
        let run = run(answer, || {
            read_pages = read(pages()?)?;
            Ok(())
        });
        (run, read_pages.0, read_pages.1)
    }

    fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
        let url = url::Url::parse(&request.url).unwrap();
        url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    fn records(ids: impl IntoIterator<Item = i64>) -> Value {
        ids.into_iter().map(|id| json!({"id": id})).collect()
    }

    /// A server of records 1 to 5, at most two a page.
    fn by_offset(request: &HttpRequest) -> HttpResponse {
        let number = |name| parameter(request, name).and_then(|value| value.parse::<i64>().ok()).unwrap_or_default();
        let (offset, limit) = (number("offset"), number("limit").min(2));
        HttpResponse::json(&json!({"data": records((offset + 1..=5).take(limit as usize))}))
    }

    fn offset_paging() -> Paging {
        Paging::offset("offset", "limit", 10).records_at("data")
    }

    #[test]
    fn a_link_in_the_body_leads_on() {
        let answer = |request: &HttpRequest| {
            HttpResponse::json(&match request.url.contains("page=") {
                false => json!({"data": records([1, 2]), "next": "/v2/x?page=2&lang=de&api_key=s3cr3t%2F%2Btoken"}),
                true if request.url.contains("page=2") => {
                    json!({"data": records([3]), "next": "https://other.example/x?page=3"})
                }
                true => json!({"data": [], "next": null}),
            })
        };
        let (run, ids, positions) =
            collect(answer, || Ok(api().get("x").query("limit", 2).pages(Paging::next_link("next"))));
        assert_eq!(run.result, Ok(()));
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(
            positions,
            [
                json!({"next": "https://api.example/v2/x?page=2&lang=de"}),
                json!({"next": "https://other.example/x?page=3"}),
                json!(null)
            ]
        );
        let key = "api_key=s3cr3t%2F%2Btoken";
        assert_eq!(
            urls(&run),
            [
                format!("https://api.example/v2/x?limit=2&lang=en&{key}"),
                format!("https://api.example/v2/x?page=2&lang=de&{key}"),
                "https://other.example/x?page=3&lang=en".to_owned(),
            ]
        );
        assert_eq!(run.requests()[2].header("authorization"), None);
    }

    #[test]
    fn a_link_in_the_header_leads_on() {
        let answer = |request: &HttpRequest| {
            let page = HttpResponse::json(&json!({"data": records([1])}));
            match request.url.contains("page=2") {
                false => page.header("link", "<a>; rel=prev").header("link", "<x?page=2>; rel=\"next\""),
                true => page.header("link", "<x?page=1>; rel=\"first\""),
            }
        };
        let (run, ids, _) = collect(answer, || Ok(api().get("x").pages(Paging::link_header())));
        assert_eq!((run.result, ids.len()), (Ok(()), 2));
    }

    #[test]
    fn offsets_go_on_after_what_came() {
        let (run, ids, positions) = collect(by_offset, || Ok(api().get("x").query("limit", 1).pages(offset_paging())));
        assert_eq!(run.result, Ok(()));
        assert_eq!(ids, [1, 2, 3, 4, 5]);
        assert_eq!(positions, [json!({"offset": 2}), json!({"offset": 4}), json!({"offset": 5}), json!(null)]);
        assert!(run.requests().iter().all(|request| request.url.matches("limit=10&").count() == 1));
    }

    #[test]
    fn pages_begin_where_an_earlier_sync_stopped() {
        let saved: Position = serde_json::from_value(json!({"offset": 3})).unwrap();
        let (_, ids, _) = collect(by_offset, || api().get("x").pages(offset_paging()).starting_at(saved));
        assert_eq!(ids, [4, 5]);
        let (_, ids, _) = collect(by_offset, || api().get("x").pages(offset_paging()).starting_at(None));
        assert_eq!(ids, [1, 2, 3, 4, 5]);
        let failure = api().get("x").pages(offset_paging()).starting_at(Position::Page(3)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::SystemError);
        let odd = Position::Next("no link".to_owned());
        let (run, ..) = collect(by_offset, || api().get("x").pages(Paging::link_header()).starting_at(odd));
        assert!(run.result.unwrap_err().message.contains("saved state"));
    }

    #[test]
    fn page_numbers_go_on_until_a_page_is_empty() {
        let answer = |request: &HttpRequest| {
            let page: i64 = parameter(request, "p").unwrap().parse().unwrap();
            HttpResponse::json(&json!({"data": records((page * 10..page * 10 + 3 - page).take_while(|_| page < 3))}))
        };
        let (run, ids, positions) =
            collect(answer, || Ok(api().get("x").pages(Paging::page_number("p", 1).records_at("data"))));
        assert_eq!(run.result, Ok(()));
        assert_eq!(ids, [10, 11, 20]);
        assert_eq!(positions, [json!({"page": 2}), json!({"page": 3}), json!(null)]);
    }

    #[test]
    fn a_cursor_leads_on() {
        let answer = |request: &HttpRequest| {
            HttpResponse::json(&match parameter(request, "after").as_deref() {
                None => json!({"data": records([1]), "meta": {"cursor": "a b&c"}}),
                Some("a b&c") => json!({"data": records([2]), "meta": {"cursor": 17}}),
                Some("17") => json!({"data": records([3]), "meta": {"cursor": ""}}),
                Some(other) => panic!("{other}"),
            })
        };
        let (run, ids, positions) =
            collect(answer, || Ok(api().get("x").pages(Paging::cursor("meta.cursor", "after"))));
        assert_eq!((&run.result, ids), (&Ok(()), vec![1, 2, 3]));
        assert_eq!(positions, [json!({"cursor": "a b&c"}), json!({"cursor": "17"}), json!(null)]);
    }

    fn failure_of(answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static, paging: Paging) -> (String, usize) {
        let (run, ..) = collect(answer, move || Ok(api().get("x").pages(paging)));
        let requests = run.requests().len();
        let failure = run.result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::SystemError, "{failure}");
        (failure.message, requests)
    }

    #[test]
    fn pages_that_lead_back_are_an_error() {
        let itself = |_: &HttpRequest| HttpResponse::json(&json!({"data": [], "next": "x?page=1"}));
        let (message, requests) = failure_of(itself, Paging::next_link("next"));
        assert!(message.contains("read already"), "{message}");
        assert_eq!(requests, 2);
        let circle = |request: &HttpRequest| {
            let page = parameter(request, "page").map_or(0, |page| page.parse::<u32>().unwrap());
            HttpResponse::json(&json!({"data": [], "next": format!("x?page={}", page % 3 + 1)}))
        };
        assert_eq!(failure_of(circle, Paging::next_link("next")).1, 4);
        let cursor = |_: &HttpRequest| HttpResponse::json(&json!({"data": [], "next": "abc"}));
        assert_eq!(failure_of(cursor, Paging::cursor("next", "after")).1, 2);
    }

    #[test]
    fn pages_without_records_have_an_end() {
        /// Has records on the second page, and then never again.
        fn endless(request: &HttpRequest) -> HttpResponse {
            let page = parameter(request, "page").map_or(0, |page| page.parse::<i64>().unwrap());
            let data = if page == 1 { records([1]) } else { json!([]) };
            HttpResponse::json(&json!({"data": data, "next": (page < 3000).then(|| format!("?page={}", page + 1))}))
        }
        let (message, requests) = failure_of(endless, Paging::next_link("next").records_at("data"));
        assert!(message.contains("without records"), "{message}");
        assert_eq!(requests, 1002);
        let (run, ids, _) = collect(endless, || Ok(api().get("x").pages(Paging::next_link("next"))));
        assert_eq!((&run.result, ids), (&Ok(()), vec![1]), "nobody said where the records are");
    }

    #[test]
    fn null_is_no_end_of_the_pages_unless_it_is_said_to_be() {
        let answer = |request: &HttpRequest| match parameter(request, "offset").as_deref() {
            Some("0") => HttpResponse::json(&json!({"data": records([1])})),
            _ => HttpResponse::json(&json!({"data": null})),
        };
        let (message, requests) = failure_of(answer, offset_paging());
        assert!(message.contains("no array of records at \"data\"") && requests == 2, "{message}");
        let run = run(answer, || {
            let paging = Paging::offset("offset", "limit", 10).records_or_null_at("data");
            assert_eq!(api().get("x").pages(paging).map(|page| page.map(drop)).collect::<Result<Vec<_>>>()?.len(), 2);
            Ok(())
        });
        assert_eq!(run.result, Ok(()));
    }

    #[test]
    fn a_token_is_renewed_between_two_pages() {
        let run = run(by_offset, || {
            let mut old = api().get("x").pages(offset_paging());
            old.next().transpose()?;
            let renewed = api().clone().secret_header("authorization", "Bearer new");
            let new = renewed.get("x").pages(offset_paging()).starting_at(old.position().cloned())?;
            assert_eq!(read(new)?.0, [3, 4, 5]);
            Ok(())
        });
        assert_eq!(run.result, Ok(()));
        let sent: Vec<_> = run.requests().iter().map(|request| request.header("authorization").unwrap()).collect();
        assert_eq!(sent, ["Bearer s3cr3t/+token", "Bearer new", "Bearer new", "Bearer new"]);
    }

    #[test]
    fn a_token_that_a_server_gave_is_shown_to_nobody() {
        let answer = |request: &HttpRequest| match parameter(request, "after") {
            None => HttpResponse::json(&json!({"data": [], "next": "opaque-17"})),
            Some(_) => HttpResponse::new(404),
        };
        let (message, requests) = failure_of(answer, Paging::cursor("next", "after"));
        assert!(message.contains("after=…") && !message.contains("opaque") && requests == 2, "{message}");
    }

    #[test]
    fn a_server_that_does_not_heed_what_it_is_asked_is_an_error() {
        let same = |_: &HttpRequest| HttpResponse::json(&json!({"data": records([1, 2]), "at": fastrand::u64(..)}));
        for paging in [offset_paging(), Paging::page_number("page", 1).records_at("data")] {
            let (message, requests) = failure_of(same, paging);
            assert!(message.contains("the same records"), "{message}");
            assert_eq!(requests, 2);
        }
        let many = |_: &HttpRequest| HttpResponse::json(&json!({"data": records(0..11)}));
        let (message, requests) = failure_of(many, offset_paging());
        assert!(message.contains("does not heed limit") && message.contains("11 records"), "{message}");
        assert_eq!(requests, 1);
    }

    #[test]
    fn a_link_that_can_not_be_followed_is_an_error() {
        for link in ["file:///etc/passwd", "https://me:s3cr3t@api.example/", "https://:x"] {
            let answer = move |_: &HttpRequest| HttpResponse::json(&json!({"data": [], "next": link}));
            let (message, requests) = failure_of(answer, Paging::next_link("next"));
            assert!(
                message.contains("names a next page whose URL can not be used") && !message.contains("s3cr3t"),
                "{message}"
            );
            assert_eq!(requests, 1);
        }
        let answer = move |_: &HttpRequest| HttpResponse::json(&json!({"data": [], "next": 0}));
        let (message, _) = failure_of(answer, Paging::next_link("next"));
        assert!(message.contains("a number instead of a link at \"next\""), "{message}");
        for next in [json!({}), json!([1]), json!(true)] {
            let answer = move |_: &HttpRequest| HttpResponse::json(&json!({"data": [], "next": next}));
            let (message, _) = failure_of(answer, Paging::next_link("next"));
            assert!(message.contains("neither a string nor a number at \"next\""), "{message}");
        }
    }

    #[test]
    fn a_body_goes_with_links_to_its_own_host_only() {
        let answer = |request: &HttpRequest| {
            let next = if request.url.contains("page=2") { "https://other.example/x" } else { "x?page=2" };
            HttpResponse::json(&json!({"data": [], "next": next}))
        };
        let pages = || Ok(api().post("x").body("secret").pages(Paging::next_link("next")));
        let (run, ..) = collect(answer, pages);
        assert!(run.result.clone().unwrap_err().message.contains("body is not sent"), "{:?}", run.result);
        assert_eq!(run.requests().iter().map(|request| request.body.len()).collect::<Vec<_>>(), [6, 6]);
    }

    #[test]
    fn an_iterator_ends_with_its_first_error() {
        let run = run(in_turn([HttpResponse::json(&json!([{"id": 1}])), HttpResponse::new(404)]), || {
            let mut pages = api().get("x").pages(Paging::offset("o", "l", 1));
            assert!(matches!(pages.next(), Some(Ok(_))));
            assert!(matches!(pages.next(), Some(Err(_))));
            assert!(pages.next().is_none());
            assert_eq!(pages.position(), Some(&Position::Offset(1)), "what failed can be asked for again");
            Ok(())
        });
        assert_eq!(run.result, Ok(()));
    }
}

mod paths {
    use super::*;
    use serde_json::Value;

    fn page(body: &str) -> Page {
        let page = Rc::new(RefCell::new(None));
        let (found, body) = (Rc::clone(&page), body.to_owned());
        let run = run(
            move |_| HttpResponse::new(200).body(body.clone()),
            move || {
                *found.borrow_mut() = Some(api().get("x").page()?);
                Ok(())
            },
        );
        assert_eq!(run.result, Ok(()));
        page.take().unwrap()
    }

    fn records(page: &Page, path: &str) -> Option<String> {
        let records = page.records(path).ok()?;
        let count = records.clone().count();
        assert_eq!((records.len(), records.is_empty()), (count, count == 0));
        Some(records.collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn records_are_cut_out_as_they_stand() {
        let body = r#" {"a": {"b": [ {"x": 1.0e2 } , {"x" : "\u00e9"}]}, "none": null, "one": {"x": 1}, "l": [{"i": [1, 2]}, {}, {"i": [3]}],
            "m": {"z": [4], "y": {"k": 5}}, "": [6]}"#;
        let page = page(body);
        for (path, expected) in [
            ("a.b", Some(r#"{"x": 1.0e2 }|{"x" : "\u00e9"}"#)),
            ("a.b.*", Some(r#"{"x": 1.0e2 }|{"x" : "\u00e9"}"#)),
            ("a.b.*.x", Some(r#"1.0e2|"\u00e9""#)),
            ("l.*.i", Some("1|2|3")),
            ("m.*", Some(r#"4|{"k": 5}"#)),
            ("none", None),
            ("one", None),
            ("gone", None),
            ("a.c", None),
            ("a.b.c", None),
            ("one.*.x", Some("")),
            ("none.*", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(records(&page, path).as_deref(), expected, "{path:?}");
        }
        assert!(page.records_or_null("none").unwrap().is_empty());
        assert_eq!(page.records_or_null("l.*.i").unwrap().len(), 3);
        assert!(page.records_or_null("one").is_err() && page.records_or_null("gone").is_err());
        let root = self::page("[ {\"a\": 1}, 2 ]");
        assert_eq!(records(&root, "").as_deref(), Some("{\"a\": 1}|2"));
        assert_eq!(records(&root, "*.a").as_deref(), Some("1"));
        assert_eq!(records(&self::page("7"), ""), None);
        let failure = root.records("data").unwrap_err();
        assert_eq!(
            failure.message,
            "GET https://api.example/v2/x?lang=en&api_key=… was answered with JSON that has no array of records at \"data\"."
        );
    }

    /// The same value, put together again from its parts.
    fn rebuilt(part: &Part<'_>) -> Value {
        match part.kind() {
            Kind::Array => part.elements().unwrap().map(|element| rebuilt(&element)).collect(),
            Kind::Object => {
                let fields = part.fields().unwrap();
                Value::Object(fields.map(|(name, value)| (name.into_owned(), rebuilt(&value))).collect())
            }
            _ => {
                assert!(part.elements().is_none() && part.fields().is_none() && part.get("a").is_none());
                serde_json::from_str(part.text()).unwrap()
            }
        }
    }

    #[test]
    fn a_page_is_the_sum_of_its_parts() {
        for body in [
            "[]",
            " { } ",
            "null",
            "-1.5e3",
            r#"[true, false, null, 0, "", [[[[[[1]]]]]]]"#,
            r#"{"a": {"b": [{"c": {"d": {"e": {"f": [1, {"g": "}]"}]}}}}]}, "\u00e9\"x": 1, "": {"": 2}}"#,
        ] {
            let page = page(body);
            assert_eq!(rebuilt(&page.root()), serde_json::from_str::<Value>(body).unwrap(), "{body}");
        }
        let page = page(r#"{"a.b": {"x": 1, "x": 2}, "l": [{"i": 1}, 7]}"#);
        let root = page.root();
        assert_eq!(root.get("a.b").and_then(|object| object.get("x")).map(|value| value.text()), Some("2"));
        assert!(root.get("a").is_none());
        // Records may be taken from anywhere.
        let list = root.get("l").unwrap();
        let found = [Found::Record(list.clone()), Found::Array(list), Found::Array(root.get("a.b").unwrap())];
        let records: Records<'_> = found.into_iter().collect();
        assert_eq!((records.len(), records.collect::<Vec<_>>()), (3, vec![r#"[{"i": 1}, 7]"#, r#"{"i": 1}"#, "7"]));
    }

    #[test]
    fn records_are_written_as_they_stand_each_on_a_line() {
        let written = |body: &'static str, path: &'static str, passed_over: usize| {
            let run = run(
                move |_| HttpResponse::new(200).body(body),
                move || {
                    let mut orders = StreamWriter::open("orders")?;
                    let page = api().get("x").page()?;
                    let mut records = page.records(path)?;
                    records.by_ref().take(passed_over).for_each(drop);
                    records.write_to(&mut orders)
                },
            );
            assert_eq!(run.result, Ok(()));
            let lines = run.events.iter().filter_map(|event| match event {
                Event::Records { lines, .. } => Some(lines.clone()),
                _ => None,
            });
            lines.collect::<String>()
        };
        assert_eq!(
            written(r#"[{"a":1},{"b": [2,3]} , {"c":"x\n"}]"#, "", 0),
            "{\"a\":1}\n{\"b\": [2,3]}\n{\"c\":\"x\\n\"}\n"
        );
        assert_eq!(written("{\"d\":[\n {\"a\":\r\n 1},\n {}\n]}", "d", 0), "{\"a\": 1}\n{}\n");
        assert_eq!(written(r#"{"d":{"x":{"l":[{"a":1}]},"y":{"l":[{"a":2},{"a":3}]}}}"#, "d.*.l", 2), "{\"a\":3}\n");
        assert_eq!(written("[]", "", 0), "");
    }

    #[test]
    fn texts_and_records_are_found_at_a_path() {
        let page = page(r#"{"next": "https:\/\/x\/y", "n": {"id": -1.50, "no": null}, "yes": true}"#);
        let text = |path| page.text(path).map_err(|failure| failure.kind);
        assert_eq!(text("next"), Ok(Some("https://x/y".to_owned())));
        assert_eq!(text("n.id"), Ok(Some("-1.50".to_owned())));
        assert_eq!(text("n.no"), Ok(None));
        assert_eq!(text("n.no.where"), Ok(None));
        assert_eq!(text("gone"), Ok(None));
        assert_eq!(text("yes"), Err(FailureKind::SystemError));
        assert_eq!(text("n"), Err(FailureKind::SystemError));
        assert_eq!(page.record("n").unwrap(), r#"{"id": -1.50, "no": null}"#);
        assert!(page.record("next").is_err() && page.record("gone").is_err());
        assert!(page.record("").is_ok());
        let shape = page.parse::<Vec<u32>>(page.record("n").unwrap()).unwrap_err();
        assert!(shape.message.contains("another shape"), "{shape}");
    }

    fn random(random: &mut fastrand::Rng, depth: u32) -> Value {
        let names = ["a", "b", "", "*", "ü", "a.b", "\"\\n"];
        match random.u32(..if depth == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => json!(random.bool()),
            2 => json!(random.i64(..)),
            3 => json!(names[random.usize(..names.len())]),
            4 => json!([]),
            5 | 6 => (0..random.usize(..4)).map(|_| self::random(random, depth - 1)).collect(),
            _ => (0..random.usize(..4))
                .map(|_| (names[random.usize(..names.len())].to_owned(), self::random(random, depth - 1)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// What is found in the text is what a parsed document has at the same place.
    #[test]
    fn any_document_gives_what_it_has() {
        let mut chance = fastrand::Rng::with_seed(11);
        let (mut arrays, mut values) = (0, 0);
        for _ in 0..2000 {
            let mut document = random(&mut chance, 4);
            while !document.is_object() {
                document = random(&mut chance, 4);
            }
            let text =
                if chance.bool() { document.to_string() } else { serde_json::to_string_pretty(&document).unwrap() };
            let page = page(&text);
            for path in ["a", "b", "a.b", "a.a.b", "ü.a", "b.ü"] {
                let expected = document.pointer(&format!("/{}", path.replace('.', "/")));
                let found = page.value(path).map(|value| serde_json::from_str::<Value>(value).unwrap());
                assert_eq!(found.as_ref(), expected, "{path} of {text}");
                values += usize::from(found.is_some());
                let array = match expected {
                    Some(Value::Array(array)) => Some(array.clone()),
                    _ => None,
                };
                let found = page.records(path).ok();
                arrays += usize::from(found.is_some());
                let found = found
                    .map(|records| records.map(|record| serde_json::from_str(record).unwrap()).collect::<Vec<Value>>());
                assert_eq!(found, array, "{path} of {text}");
            }
        }
        assert!(arrays > 100 && values > 300, "{arrays} {values}");
    }

    /// Whatever a server sends for a page, it is a page or a failure that does not quote it.
    #[test]
    fn no_body_is_too_odd() {
        let mut chance = fastrand::Rng::with_seed(5);
        let mut broken = 0;
        for _ in 0..2000 {
            let mut body = random(&mut chance, 3).to_string().into_bytes();
            for _ in 0..chance.usize(..3) {
                let at = chance.usize(..body.len());
                body[at] = chance.u8(..);
            }
            let run = run(
                move |_| HttpResponse::new(200).body(body.clone()),
                || {
                    let page = api().get("x").page()?;
                    let _ = (page.records("a.*.b"), page.text("a"), page.records(""), page.value("b.a"));
                    Ok(())
                },
            );
            if let Err(failure) = run.result {
                assert_eq!(failure.kind, FailureKind::SystemError, "{failure}");
                broken += 1;
            }
        }
        assert!(broken > 100, "{broken}");
    }
}
