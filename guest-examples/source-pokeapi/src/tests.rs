//! The rules of this connector, through a host in memory and a server that is a function. What the network does to it is tested
//! end to end.

use airlock_sdk::testing::{Host, HttpRequest, HttpResponse, Run};
use airlock_sdk::{Interruption, Source};
use serde_json::{Value, json};

use super::*;

fn catalog(stream: &str, sync_mode: &str) -> Value {
    json!({"streams": [{
        "stream": {"name": stream, "json_schema": {}, "supported_sync_modes": [sync_mode]},
        "sync_mode": sync_mode, "destination_sync_mode": "append",
    }]})
}

/// A PokeAPI with these entries in every list, two to a page.
fn answer(request: &HttpRequest, ids: &[u64]) -> HttpResponse {
    let path = request.url.trim_start_matches("https://pokeapi.co/api/v2/");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let words: Vec<&str> = path.split('/').collect();
    let number = |text: &str| text.trim_start_matches("ditto-").parse::<u64>().ok();
    HttpResponse::json(&match words.as_slice() {
        [list] => {
            let offset: usize = query.rsplit("offset=").next().and_then(|offset| offset.parse().ok()).unwrap_or(0);
            let entry =
                |id: &u64| json!({"name": format!("ditto-{id}"), "url": format!("https://elsewhere/{list}/{id}/")});
            let end = (offset + 2).min(ids.len());
            let next = (end < ids.len()).then(|| format!("https://pokeapi.co/api/v2/{list}?limit=2&offset={end}"));
            json!({"count": ids.len(), "next": next, "results": ids[offset..end].iter().map(entry).collect::<Vec<_>>()})
        }
        [_, _, "encounters"] => json!([{"location_area": {"name": "a"}}, {"location_area": {"name": "b"}}]),
        [_, entry] => match number(entry).filter(|id| ids.contains(id)) {
            Some(id) => json!({"id": id, "name": format!("ditto-{id}")}),
            None => return HttpResponse::new(404),
        },
        _ => return HttpResponse::new(404),
    })
}

fn read(host: Host, ids: &'static [u64], config: &Value, stream: &str, sync_mode: &str) -> Run {
    let host = host.answering(move |request| answer(request, ids));
    host.read::<PokeApi>(config, &catalog(stream, sync_mode))
}

fn ids(run: &Run, stream: &str) -> Vec<u64> {
    let key = if stream == "pokemon_encounters" { "pokemon_id" } else { "id" };
    run.records(stream).iter().map(|record| record[key].as_u64().unwrap()).collect()
}

#[test]
fn a_read_that_was_interrupted_anywhere_goes_on_after_its_last_state() {
    const IDS: &[u64] = &[1, 2, 3, 7, 10_001];
    for stream in ["pokemon", "pokemon_encounters"] {
        for sync_mode in ["full_refresh", "incremental"] {
            let whole = ids(&read(Host::new(), IDS, &json!({}), stream, sync_mode), stream);
            for taken in 0..5 {
                let host = Host::new().interrupting_after(taken, Interruption::Cancelled);
                let first = read(host, IDS, &json!({}), stream, sync_mode);
                assert!(first.result.is_err());
                let state = first.events.iter().rev().find_map(|event| match event {
                    airlock_sdk::testing::Event::Checkpoint { state, .. } => serde_json::from_str::<Value>(state).ok(),
                    _ => None,
                });
                let done = state.as_ref().map_or(0, |state| state["id"].as_u64().unwrap());
                let host = Host::new().with_state(state.map(|state| (stream, state)));
                let rest = ids(&read(host, IDS, &json!({}), stream, sync_mode), stream);
                let expected: Vec<u64> = whole.iter().copied().filter(|id| *id > done).collect();
                assert_eq!(rest, expected, "{stream}, {sync_mode}, after {taken}");
            }
        }
    }
}

#[test]
fn what_is_complete_begins_anew_only_in_a_full_refresh() {
    let state = json!({"id": 3, "complete": true});
    for (sync_mode, expected) in [("incremental", vec![7]), ("full_refresh", vec![1, 2, 3, 7])] {
        let host = Host::new().with_state([("types", state.clone())]);
        let run = read(host, &[1, 2, 3, 7], &json!({}), "types", sync_mode);
        assert_eq!(ids(&run, "types"), expected, "{sync_mode}");
        assert_eq!(run.checkpoints("types").last(), Some(&json!({"id": 7, "complete": true})));
    }
}

#[test]
fn one_pokemon_is_read_by_its_name_and_leaves_no_state() {
    let config = json!({"pokemon_name": "ditto-7"});
    for (stream, expected) in [("pokemon", vec![7]), ("pokemon_encounters", vec![7, 7]), ("types", vec![2, 7])] {
        let host = Host::new().with_state([(stream, json!({"id": 1, "complete": false}))]);
        let run = read(host, &[1, 2, 7], &config, stream, "incremental");
        assert_eq!((run.result.clone(), ids(&run, stream)), (Ok(()), expected), "{stream}");
        assert_eq!(run.checkpoints(stream).is_empty(), stream != "types", "{stream}");
    }
}

#[test]
fn a_list_out_of_order_fails_where_order_ends() {
    for list in [&[1, 3, 2][..], &[1, 3, 3], &[1, 3, 0]] {
        let run = read(Host::new(), list, &json!({}), "moves", "incremental");
        // The stream has failed; the command goes on with the others.
        assert_eq!((ids(&run, "moves"), run.result.clone()), (vec![1, 3], Ok(())), "{list:?}");
        assert_eq!(run.checkpoints("moves").last(), Some(&json!({"id": 3, "complete": false})));
        assert!(run.events.iter().any(|event| format!("{event:?}").contains("not in the order")), "{list:?}");
    }
}

#[test]
fn the_number_of_an_entry_is_the_end_of_its_url() {
    let read = |url: &'static str| {
        let host = Host::new().answering(move |request| match request.url.contains('?') {
            true => HttpResponse::json(&json!({"count": 1, "results": [{"url": url}]})),
            false => answer(request, &[132]),
        });
        host.read::<PokeApi>(&json!({}), &catalog("types", "incremental"))
    };
    for url in ["https://pokeapi.co/api/v2/type/132/", "/type/132", "132"] {
        assert_eq!(ids(&read(url), "types"), [132], "{url}");
    }
    for url in ["", "/", "/type/ditto/", "/type/+132/", "/type/-132/", "/type/132?a", "/type/99999999999999999999/"] {
        let run = read(url);
        assert!(run.events.iter().any(|event| format!("{event:?}").contains("does not end in its number")), "{url}");
        assert!(ids(&run, "types").is_empty(), "{url}");
    }
}

#[test]
fn the_token_goes_with_each_request() {
    let run = read(Host::new(), &[1, 2, 3], &json!({"api_token": "hush"}), "pokemon", "full_refresh");
    assert_eq!(run.requests().len(), 5);
    assert!(run.requests().iter().all(|request| request.header("authorization") == Some("Bearer hush")));
}

#[test]
fn a_check_is_one_request_and_says_what_came_of_it() {
    let check = |config: Value, response: fn(&HttpRequest) -> HttpResponse| {
        let config = serde_json::from_value(config).unwrap();
        Host::new().answering(response).run(|| PokeApi::check(config))
    };
    let run = check(json!({"pokemon_name": "ditto-7"}), |request| answer(request, &[7]));
    assert_eq!((run.result.clone(), run.requests().len()), (Ok(()), 1));
    for response in [|_: &HttpRequest| HttpResponse::new(503), |_: &HttpRequest| HttpResponse::json(&json!({"a": 1}))] {
        let run = check(json!({}), response);
        let failure = run.result.clone().unwrap_err();
        assert_eq!((failure.kind, run.requests().len()), (FailureKind::ConfigError, 1), "{failure}");
        assert!(failure.message.contains("GET https://pokeapi.co/api/v2/pokemon?limit=1"), "{failure}");
    }
}

#[test]
fn every_schema_is_one() {
    let catalog = PokeApi::discover(serde_json::from_str("{}").unwrap()).unwrap();
    assert_eq!(catalog.streams.len(), STREAMS.len());
    for stream in &catalog.streams {
        for field in stream.source_defined_primary_key.iter().chain([&stream.default_cursor_field]) {
            assert!(stream.json_schema["properties"][&field[0]].is_object(), "{} {field:?}", stream.name);
        }
    }
}
