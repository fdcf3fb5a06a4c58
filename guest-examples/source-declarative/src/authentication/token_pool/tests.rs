//! Tokens and their quotas, as the Python CDK's RateLimitedMultipleTokenAuthenticator goes about them. The requests of whole reads are
//! compared end to end.

use airlock_sdk::FailureKind;
use airlock_sdk::testing::{Host, HttpResponse as Answer, Run};

use super::*;
use crate::manifest::Remarks;
use crate::requester::tests::requester;

fn left(remaining: i64, reset_at: f64, limit: i64) -> Left {
    Left { remaining, reset_at, limit, is_tracked: true }
}

fn pool(more: &Value) -> Value {
    let mut pool = json!({
        "type": "RateLimitedMultipleTokenAuthenticator",
        "tokens": "{{ config['tokens'] }}",
        "quota_status_source": {"type": "QuotaStatusSource", "url": "https://api.example/quotas"},
        "quotas": [{
            "type": "TokenQuota", "name": "all", "remaining_path": ["left"], "reset_path": ["reset"], "remaining_header": "X-Left",
            "reset_header": "X-Reset", "limit_header": "X-Limit", "exhaustion_status_codes": [429],
        }],
    });
    pool.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    pool
}

fn read(more: &Value) -> manifest::Result<TokenPool> {
    Node::root(&pool(more), &Remarks::default()).read()
}

/// What _compute_budget_delay gives, 100 seconds before the reset or at another time.
#[test]
fn the_rest_of_a_quota_is_spared() {
    for (quotas, active, fraction, reserve, expected) in [
        ([(5, 100.0), (5, 100.0)], 0, 0.1, 0, Some(10.0)),
        ([(5, 100.0), (50, 100.0)], 0, 0.1, 0, None),
        ([(5, 100.0), (50, 100.0)], 0, 0.1, 50, Some(1.818_181_8)),
        ([(5, -100.0), (5, -100.0)], 0, 0.1, 0, None),
        ([(0, 100.0), (4, 10.0)], 1, 0.1, 50, Some(2.5)),
        ([(60, 30.0), (60, 30.0)], 0, 0.6, 0, Some(0.25)),
    ] {
        let pool = read(&json!({"budget_reserve_fraction": fraction, "budget_min_reserve": reserve})).unwrap();
        let mut found = None;
        Host::new().run(|| {
            let all = quotas.map(|(remaining, reset)| left(remaining, token_time::now() + reset, 100));
            let reset_at = all[active].reset_at;
            found = pool.delay(&all.iter().collect::<Vec<_>>(), reset_at);
            Ok(())
        });
        // The clock goes on meanwhile.
        let is_near = |found: f64, expected: f64| found <= expected + 1e-6 && found > expected * 0.8;
        let is_right = found.zip(expected).map_or(found == expected, |(found, expected)| is_near(found, expected));
        assert!(is_right, "{found:?} {quotas:?} {fraction} {reserve}");
    }
}

/// Sends so many requests. The tokens' quotas are told by `quotas`, each time that they are asked for.
fn run(more: &Value, times: usize, mut quotas: impl FnMut(&str) -> Value + 'static) -> Run {
    let requester = requester(json!({"authenticator": pool(more)})).unwrap();
    let answer = move |request: &airlock_sdk::testing::HttpRequest| match request.url.ends_with("/quotas") {
        true => Answer::json(&quotas(request.header("authorization").unwrap_or_default())),
        false => Answer::json(&json!([])),
    };
    Host::new().answering(answer).run(|| {
        let session = Session::new(Object::from_iter([("tokens".to_owned(), "one,two".into())]));
        for _ in 0..times {
            requester.send(&session, None, RequestOptions::default(), &session.scope)?;
        }
        Ok(())
    })
}

#[test]
fn who_has_used_up_all_waits_for_the_next_quota_and_asks_again() {
    let mut asked = 0;
    let ended = run(&json!({"budget_min_reserve": 0, "budget_reserve_fraction": 0}), 3, move |_| {
        asked += 1;
        let left = if asked <= 2 { 1 } else { 5 };
        json!({"left": left, "reset": (token_time::now() + 90.0).floor()  as u64})
    });
    assert_eq!(ended.result, Ok(()));
    // Told each minute.
    let waits: Vec<u64> = ended.waits().iter().map(|wait| wait.as_secs_f64().round() as u64).collect();
    assert!(waits.len() == 2 && waits[0] == 60 && (10..=30).contains(&waits[1]), "{waits:?}");
    let tokens: Vec<&str> = ended.requests().iter().filter_map(|request| request.header("authorization")).collect();
    let (one, two) = ("Bearer one", "Bearer two");
    assert_eq!(tokens, [one, two, one, two, one, two, two]);
}

#[test]
fn nobody_waits_longer_than_the_manifest_allows() {
    let ended =
        run(&json!({"max_wait_time": "PT1M"}), 1, |_| json!({"left": 0, "reset": (token_time::now() + 90.0) as u64}));
    let failure = ended.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransientError);
    assert_eq!(failure.message, "Rate limit is exceeded for all provided tokens.");
    let ended = run(&json!({"max_wait_time": "P1M"}), 1, |_| json!({}));
    assert_eq!(ended.result.unwrap_err().kind, FailureKind::SystemError);
    let ended = run(&json!({"tokens": " , "}), 1, |_| json!({}));
    assert_eq!(ended.result.unwrap_err().kind, FailureKind::ConfigError);
}

#[test]
fn what_can_not_be_read_is_told_with_its_place() {
    for (more, path) in [
        (json!({"tokens": []}), "the manifest"),
        (json!({"quotas": []}), "the manifest"),
        (json!({"quota_status_source": {"type": "QuotaStatusSource"}}), "quota_status_source"),
        (json!({"quotas": [{"type": "TokenQuota", "name": "all"}]}), "quotas[0]"),
    ] {
        assert_eq!(read(&more).unwrap_err().path, path, "{more}");
    }
}
