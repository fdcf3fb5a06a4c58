//! Streams that take turns: each goes on where its own state says, and a global state says it of all.

use serde_json::{Value, json};

use super::Guest;
use crate::harness::Finished;

fn ids(finished: &Finished, stream: &str) -> Vec<u64> {
    finished.records(stream).iter().map(|record| record["id"].as_u64().unwrap()).collect()
}

#[test]
fn streams_take_turns_and_a_read_goes_on_from_the_states_of_any_form() {
    for (form, state) in [("streams", "STREAM"), ("global", "GLOBAL")] {
        let guest = Guest::new("source-many");
        let config = json!({"records": 5, "turn": 2, "form": form});
        let whole = guest.read(&config, &["one", "two"]).run().exits(0);
        let streams: Vec<&str> =
            whole.of_type("RECORD").iter().map(|message| message["record"]["stream"].as_str().unwrap()).collect();
        assert_eq!(streams.concat(), "oneonetwotwooneonetwotwoonetwo", "{form}");
        let states = whole.states();
        assert_eq!(states.len(), 6, "{form}");
        assert!(states.iter().all(|saved| saved["type"] == state), "{form}");

        // As if it had been interrupted after the third state: the first stream has come to 4, the second to 2.
        let saved: Vec<&Value> = states[..3].to_vec();
        let saved = guest.workspace.json("state.json", &json!(saved));
        let rest = guest.read(&config, &["one", "two"]).option("--state", saved).run().exits(0);
        assert_eq!((ids(&rest, "one"), ids(&rest, "two")), (vec![5], vec![3, 4, 5]), "{form}");
    }
}
