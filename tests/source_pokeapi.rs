//! source-pokeapi: Airbyte's source-pokeapi and more of the same API, from a server on loopback.

mod client;
mod guide;
mod misbehaviour;
mod reach;
mod waiting;
mod world;

use serde_json::{Value, json};

use crate::faulty::live::Live;
use crate::harness::golden::assert_spec;
use crate::harness::server::Server;
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};
use world::{ROOT, World, name};

/// The token of every config here. It must stand in no output, and go to no other server.
const TOKEN: &str = "hush-7f3a91";

/// A config for this server, with pages of four names.
fn config(server: &Server) -> Value {
    config_of(&server.url(ROOT))
}

fn config_of(base_url: &str) -> Value {
    json!({"base_url": base_url, "api_token": TOKEN, "page_size": 4})
}

/// The same with other options.
fn with(mut config: Value, options: Value) -> Value {
    for (name, value) in options.as_object().expect("options are an object") {
        config[name] = value.clone();
    }
    config
}

fn command(command: &str, config: &Value) -> Airlock {
    let workspace = Workspace::new();
    let config = workspace.json("config.json", config);
    Airlock::of(&connector("source-pokeapi")).arg(command).option("--config", config).keep(workspace)
}

fn read(config: &Value, streams: &[&str]) -> Airlock {
    read_from(config, &configured_catalog(streams), None)
}

fn read_from(config: &Value, catalog: &Value, state: Option<&Value>) -> Airlock {
    let workspace = Workspace::new();
    let run = Airlock::of(&connector("source-pokeapi"))
        .arg("read")
        .option("--config", workspace.json("config.json", config))
        .option("--catalog", workspace.json("catalog.json", catalog));
    let run = match state {
        Some(state) => run.option("--state", workspace.json("state.json", &json!([state]))),
        None => run,
    };
    run.keep(workspace)
}

fn full_refresh(streams: &[&str]) -> Value {
    let mut catalog = configured_catalog(streams);
    for stream in catalog["streams"].as_array_mut().expect("it has streams") {
        stream["sync_mode"] = json!("full_refresh");
    }
    catalog
}

fn ids(finished: &Finished, stream: &str) -> Vec<u64> {
    let key = if stream == "pokemon_encounters" { "pokemon_id" } else { "id" };
    finished.records(stream).iter().map(|record| record[key].as_u64().expect("each record has its number")).collect()
}

/// The targets that a server was asked for, without the API's root.
fn asked(server: &Server) -> Vec<String> {
    let requests = server.requests().into_iter();
    requests.map(|request| request.target.trim_start_matches(ROOT).to_owned()).collect()
}

/// What `check` answers: none for a success.
fn checked(config: &Value) -> Option<String> {
    let finished = command("check", config).run().exits(0);
    tells_no_secret(&finished);
    let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
    (status["status"] == "FAILED").then(|| status["message"].as_str().expect("it says why").to_owned())
}

#[track_caller]
fn tells_no_secret(finished: &Finished) {
    let output = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
    assert!(!output.contains("hush"), "{output}");
}

/// A read that must fail like this, with all of it in the message.
#[track_caller]
fn assert_fails(run: Airlock, kind: &str, parts: &[&str]) -> Finished {
    let finished = run.run().exits(1);
    tells_no_secret(&finished);
    let (failure_type, message) = finished.error();
    assert_eq!(failure_type, kind, "{message}");
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
    finished
}

#[test]
fn the_specification_takes_every_config_of_airbytes() {
    assert_spec("source-pokeapi");
    let spec: Value = serde_json::from_str(include_str!("golden/source-pokeapi.spec.json")).unwrap();
    let airbytes: Value = serde_json::from_str(include_str!("golden/airbyte-source-pokeapi.spec.json")).unwrap();
    let (ours, theirs) = (&spec["connectionSpecification"], &airbytes["connectionSpecification"]);
    assert_eq!(ours["required"], Value::Null, "what Airbyte requires may be left out");
    assert_eq!(ours["additionalProperties"], true);
    let field = |specification: &Value, name: &str| specification["properties"]["pokemon_name"][name].clone();
    for name in ["type", "pattern", "examples", "title"] {
        assert_eq!(field(ours, name), field(theirs, name), "{name}");
    }
}

fn discovered(config: &Value) -> Vec<Value> {
    let finished = command("discover", config).run().exits(0);
    finished.of_type("CATALOG")[0]["catalog"]["streams"].as_array().expect("it has streams").clone()
}

#[test]
fn the_catalog_has_a_stream_for_each_list_and_airbytes_schema() {
    let mut streams = discovered(&json!({}));
    let schemas: Vec<Value> = streams.iter_mut().map(|stream| stream["json_schema"].take()).collect();
    for stream in &mut streams {
        stream.as_object_mut().unwrap().remove("json_schema");
    }
    let golden: Value = serde_json::from_str(include_str!("golden/source-pokeapi.catalog.json")).unwrap();
    assert_eq!(Value::from(streams), golden["streams"]);
    let airbytes: Value =
        serde_json::from_str(include_str!("golden/airbyte-source-pokeapi.pokemon.schema.json")).unwrap();
    assert_eq!(schemas[0], airbytes);
}

#[test]
fn a_config_of_airbytes_gives_airbytes_stream_and_its_one_record() {
    let server = World::of(9).serve();
    let config = with(config(&server), json!({"pokemon_name": name(7)}));
    assert_eq!(checked(&config), None);
    let stream = &discovered(&config)[0];
    assert_eq!((&stream["name"], &stream["supported_sync_modes"]), (&json!("pokemon"), &json!(["full_refresh"])));
    assert_eq!(stream["source_defined_primary_key"], json!([["id"]]));

    let catalog = full_refresh(&["pokemon", "pokemon_encounters"]);
    let finished = read_from(&config, &catalog, None).run().exits(0);
    assert_eq!((ids(&finished, "pokemon"), ids(&finished, "pokemon_encounters")), (vec![7], vec![7]));
    let by_name = format!("pokemon/{}", name(7));
    assert_eq!(asked(&server)[1..], [&by_name, "pokemon/7", &by_name, "pokemon/7/encounters"]);
    // A state of all Pokémon says nothing of this one, and is not lost by it.
    assert!(finished.states().is_empty());
}

#[test]
fn a_pokemon_that_is_not_there_is_a_config_error() {
    let server = World::of(2).serve();
    let config = with(config(&server), json!({"pokemon_name": "missingno"}));
    let run = read_from(&config, &full_refresh(&["pokemon"]), None);
    assert_fails(run, "config_error", &["missingno", "`pokemon_name`", &server.url("/api/v2/pokemon/missingno")]);
}

#[test]
fn the_examples_work() {
    let example = |text: &str| -> Value { serde_json::from_str(text).expect("an example is JSON") };
    let config = example(include_str!("../guest-examples/source-pokeapi/examples/config.json"));
    let catalog = example(include_str!("../guest-examples/source-pokeapi/examples/catalog.json"));
    assert_eq!(catalog["streams"][0]["stream"], discovered(&config)[0]);
    let server = World { ids: vec![1, 132], ..World::of(0) }.serve();
    let finished = read_from(&with(config, json!({"base_url": server.url(ROOT)})), &catalog, None).run().exits(0);
    assert_eq!(ids(&finished, "pokemon"), [132]);
}

#[test]
fn every_stream_is_read_page_by_page() {
    let server = World::of(9).serve();
    let streams = ["pokemon", "pokemon_encounters", "pokemon_species", "types", "moves", "abilities"];
    let finished = read(&config(&server), &streams).run().exits(0);
    tells_no_secret(&finished);
    let all: Vec<u64> = (1..=9).chain([10_001]).collect();
    for stream in streams {
        let expected = match stream {
            "pokemon_encounters" => all.iter().flat_map(|id| vec![*id; (id % 3) as usize]).collect(),
            _ => all.clone(),
        };
        assert_eq!(ids(&finished, stream), expected, "{stream}");
        assert_eq!(finished.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"], "{stream}");
        let states =
            finished.states().into_iter().filter(|state| state["stream"]["stream_descriptor"]["name"] == stream);
        let states: Vec<&Value> = states.map(|state| &state["stream"]["stream_state"]).collect();
        let state = |id: u64, complete: bool| json!({"id": id, "complete": complete});
        assert_eq!(
            states,
            [&state(4, false), &state(8, false), &state(10_001, false), &state(10_001, true)],
            "{stream}"
        );
    }
    assert_eq!(finished.records("pokemon_encounters")[0]["location_area"], json!({"name": "place-0"}));
    let asked = asked(&server);
    assert_eq!(&asked[..3], ["pokemon?limit=4", "pokemon/1", "pokemon/2"]);
    assert!(asked.contains(&"pokemon-species?offset=8&limit=4".to_owned()), "{asked:?}");
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("airlock-sdk/")));
    }
    assert!(server.connections() < 4, "connections are used again");
}

#[test]
fn a_record_is_what_the_server_sent_digit_by_digit() {
    let server = World::of(1).serve();
    let finished = read(&config(&server), &["pokemon"]).run().exits(0);
    let output = String::from_utf8(finished.stdout.clone()).unwrap();
    assert!(
        output.contains(r#""base_experience":1.50e2"#) || output.contains(r#""base_experience": 1.50e2"#),
        "{output}"
    );
    assert!(output.contains("\"ü\""), "{output}");
}

#[test]
fn records_fit_the_catalog() {
    let server = World::of(4).serve();
    let catalog = discovered(&json!({}));
    let finished = read(&config(&server), &["pokemon", "pokemon_encounters", "types"]).run().exits(0);
    for stream in ["pokemon", "pokemon_encounters", "types"] {
        let described = catalog.iter().find(|described| described["name"] == stream);
        let validator = jsonschema::validator_for(&described.unwrap()["json_schema"]).unwrap();
        let records = finished.records(stream);
        assert!(!records.is_empty(), "{stream}");
        for record in records {
            assert!(validator.is_valid(record), "{stream}: {record}");
        }
    }
}

#[test]
fn the_next_sync_brings_what_is_new_and_a_full_refresh_everything() {
    for stream in ["pokemon", "pokemon_encounters"] {
        let old = World::of(5).serve();
        let first = read(&config(&old), &[stream]).run().exits(0);
        let state = (*first.states().last().unwrap()).clone();

        let new = World { ids: vec![1, 2, 3, 4, 5, 10_001, 10_004, 10_006], ..World::of(0) }.serve();
        let second = read_from(&config(&new), &configured_catalog(&[stream]), Some(&state)).run().exits(0);
        let expected = if stream == "pokemon" { vec![10_004, 10_006] } else { vec![10_004, 10_004] };
        // 10004 leaves 2, and 10006 leaves 1.
        let expected = if stream == "pokemon" { expected } else { [expected, vec![10_006]].concat() };
        assert_eq!(ids(&second, stream), expected);
        let again = read_from(&config(&new), &full_refresh(&[stream]), Some(&state)).run().exits(0);
        assert!(ids(&again, stream).starts_with(&[1]) && ids(&again, stream).ends_with(&[10_006]));
        if stream == "pokemon" {
            assert_eq!(ids(&again, stream).len(), 8);
        }
    }
}

#[test]
fn a_sync_that_was_killed_goes_on_after_its_last_state() {
    for catalog in [configured_catalog(&["pokemon"]), full_refresh(&["pokemon"])] {
        // The seventh never comes: there the read is when it is killed.
        let server = World::of(30).serve_after(|request, _| {
            if request.target.ends_with("pokemon/7") {
                std::thread::park();
            }
            Ok(false)
        });
        let mut live = Live::start(read_from(&config(&server), &catalog, None));
        let state = live.wait_for(|message| message["type"] == "STATE")["state"].clone();
        assert_eq!(state["stream"]["stream_state"], json!({"id": 4, "complete": false}));
        live.kill();
        let server = World::of(30).serve();
        let rest = read_from(&config(&server), &catalog, Some(&state)).run().exits(0);
        let expected: Vec<u64> = (5..=30).chain([10_001]).collect();
        assert_eq!(ids(&rest, "pokemon"), expected, "every number after the state, once");
        assert!(!asked(&server).contains(&"pokemon/4".to_owned()), "what is done is not asked for again");
    }
}

#[test]
fn a_stream_that_fails_leaves_the_others_and_its_state() {
    let server = World::of(9).serve_after(|request, connection| {
        let broken = request.target.ends_with("move/6");
        if broken {
            crate::harness::server::respond(connection, "410 Gone", &[], b"")?;
        }
        Ok(broken)
    });
    let finished = read(&config(&server), &["types", "moves", "abilities"]).run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    assert!(message.contains(&server.url("/api/v2/move/6")) && message.contains("410"), "{message}");
    assert_eq!(finished.statuses("moves").last(), Some(&"INCOMPLETE"));
    for stream in ["types", "abilities"] {
        assert_eq!((ids(&finished, stream).len(), finished.statuses(stream).last()), (10, Some(&"COMPLETE")));
    }
    let of_moves = |state: &&&Value| state["stream"]["stream_descriptor"]["name"] == "moves";
    let states = finished.states();
    let last = states.iter().rfind(of_moves).unwrap();
    assert_eq!(last["stream"]["stream_state"], json!({"id": 5, "complete": false}));
    assert_eq!(ids(&finished, "moves"), [1, 2, 3, 4, 5]);
}

#[test]
fn an_unknown_stream_is_a_config_error() {
    let server = World::of(1).serve();
    assert_fails(read(&config(&server), &["digimon"]), "config_error", &["digimon"]);
}
