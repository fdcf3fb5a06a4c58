//! What guests reach over the network, and what they do not: a guest that sends requests, a guest with raw sockets, and servers
//! on loopback that behave well and badly.

mod bodies;
pub mod http;
pub mod proxies;
pub mod sessions;
pub mod sockets;
mod timeouts;
mod tls;

use serde_json::{Value, json};

use crate::faulty::Guest;
use crate::harness::{Airlock, Finished};

/// The guest that sends requests, reading the stream `one`.
fn requests(requests: Value) -> Airlock {
    run("source-http", &json!({"requests": requests}))
}

fn run(guest: &str, config: &Value) -> Airlock {
    Guest::new(guest).into_read(config, &["one"])
}

/// What came of each request or attempt.
fn outcomes(finished: &Finished) -> Vec<Value> {
    finished.records("one").into_iter().cloned().collect()
}

/// What came of the only one.
#[track_caller]
fn outcome(finished: &Finished) -> Value {
    let outcomes = outcomes(finished);
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    outcomes[0].clone()
}

/// What is logged of contacts and refusals.
fn told<'a>(finished: &'a Finished, level: &str) -> Vec<&'a str> {
    let lines = finished.logs(level).into_iter();
    lines.filter(|line| line.starts_with("The connector ")).collect()
}
