//! What fuzzers have found, replayed by every `cargo test`; and the same targets with bytes that look like messages.

use std::fs;
use std::path::Path;

use airlock_fuzz::TARGETS;
use proptest::prelude::*;

#[test]
fn every_kept_input_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).expect("every target has a corpus");
        let mut replayed = 0;
        for input in inputs {
            let path = input.expect("an entry").path();
            let data = fs::read(&path).expect("a file");
            std::panic::catch_unwind(|| target(&data)).unwrap_or_else(|_| panic!("see above: {}", path.display()));
            replayed += 1;
        }
        assert!(replayed > 10, "{name} has {replayed} inputs");
    }
}

/// Pieces of messages, right and wrong, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        r#"{"type":"RECORD","record":{"stream":"a","data":{"n":1},"emitted_at":1}}"#,
        r#"{"type":"RECORD","record":{"stream":"b","data":{"n":1.10,"s":"\u0061"},"emitted_at":1.5,"meta":{"changes":[]}}}"#,
        r#"{"type":"RECORD","record":{"namespace":"n","stream":"a","data":{}}}"#,
        r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{"n":1}}}}"#,
        r#"{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":{},"stream_states":[]}}}"#,
        r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"stream_descriptor":{"name":"b"},"status":"COMPLETE"}}}"#,
        r#"{"type":"LOG","log":{"level":"INFO","message":"x"}}"#,
        r#"{"n":1}"#,
        "{}",
        "\n",
        "\r\n",
        "\n\n",
        "text",
        "\u{feff}",
        "{\"",
        "[",
        "]",
        ",",
        "\"",
        "null",
    ]);
    let piece = prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        3 => Just(b"\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_target_holds_for_what_looks_like_messages(data in pieces()) {
        let shown = data.escape_ascii().to_string();
        for (name, target) in TARGETS {
            let held = std::panic::catch_unwind(|| target(&data));
            prop_assert!(held.is_ok(), "{name} does not hold for {shown}");
        }
    }
}
