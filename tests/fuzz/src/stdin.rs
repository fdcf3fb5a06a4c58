//! A destination's input: however it is cut into reads, no record is lost or comes in another order, and what is wrong is told
//! with its line.

use std::io::sink;
use std::sync::Arc;

use arbitrary::Unstructured;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::protocol::Interruption;
use crate::protocol::catalog::ConfiguredCatalog;
use crate::protocol::input::{Input, Item};
use crate::protocol::input_message::{self, InputMessage};
use crate::protocol::log_level::LogLevel;
use crate::protocol::output::{Output, OutputOptions};

const MAX_RECORD_BYTES: usize = 1000;

/// A pipe holds 16 packets of a page each unless asked for more.
const PACKETS: usize = 16;
const PACKET_BYTES: usize = 4096;

const CATALOG: &str = r#"{"streams":[
    {"stream":{"name":"a"},"sync_mode":"incremental","destination_sync_mode":"append"},
    {"stream":{"name":"b"},"sync_mode":"incremental","destination_sync_mode":"append"},
    {"stream":{"name":"a","namespace":"n"},"sync_mode":"incremental","destination_sync_mode":"append"}]}"#;

/// What a destination was given.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Record(usize, String),
    /// A STATE, with how many records it is said to cover.
    State(Option<usize>, u32),
    End(usize, bool),
    Other(String),
}

/// The same bytes twice: cut where the data says, and in as few reads as they fit in.
pub fn input(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let Ok(cuts) = from.arbitrary::<[u16; 4]>() else { return };
    let max_bytes = from.int_in_range(1..=2000).unwrap_or(2000);
    let text = from.take_rest();
    let text = &text[..text.len().min(4 * PACKET_BYTES)];
    let cut = given(text, &cuts, max_bytes);
    assert_eq!(cut, given(text, &[], usize::MAX), "cuts make no difference");
    check(text, &cut.0, cut.1.as_deref());
}

/// What comes of these bytes, and why it ended before its end, if it did.
fn given(text: &[u8], cuts: &[u16], max_bytes: usize) -> (Vec<Given>, Option<String>) {
    let options = OutputOptions { max_log_level: LogLevel::Fatal, max_record_bytes: MAX_RECORD_BYTES };
    let output = Output::start_on(sink(), options);
    output.write_behind().expect("a thread");
    let catalog = Arc::new(ConfiguredCatalog::from_text(CATALOG.to_owned()).expect("a catalog"));
    // A pipe of packets: each read gets what one write gave.
    let (reader, writer) = pipe_with(PipeFlags::DIRECT).expect("a pipe");
    let packets = packets(text, cuts);
    assert!(packets.len() <= PACKETS);
    for packet in packets {
        rustix::io::write(&writer, packet).expect("there is room");
    }
    drop(writer);
    let mut input = Input::start(reader, catalog.clone(), MAX_RECORD_BYTES, output.clone()).expect("a thread");
    let mut items = Vec::new();
    let stop = loop {
        match input.next(max_bytes) {
            Ok(Some(item)) => items.extend(flattened(item, &catalog)),
            Ok(None) => break None,
            Err(Interruption::Refused(why)) => break Some(why),
            Err(other) => panic!("nobody interrupts: {other:?}"),
        }
    };
    drop(input);
    output.finish().expect("a sink takes everything");
    (items, stop)
}

fn packets<'a>(text: &'a [u8], cuts: &[u16]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    let parts = places.windows(2).map(|places| &text[places[0]..places[1]]);
    parts.flat_map(|part| part.chunks(PACKET_BYTES)).collect()
}

fn flattened(item: Item, catalog: &ConfiguredCatalog) -> Vec<Given> {
    match item {
        Item::Records(batch) => {
            assert!(batch.records.ends_with(b"\n"));
            let lines = std::str::from_utf8(&batch.records).expect("records are text");
            assert_eq!(lines.lines().count(), batch.emitted_at.len());
            assert!(batch.annotations.windows(2).all(|both| both[0].index < both[1].index));
            assert!(batch.annotations.iter().all(|annotation| annotation.index < batch.emitted_at.len()));
            lines.lines().map(|line| Given::Record(batch.stream, line.to_owned())).collect()
        }
        Item::Checkpoint(checkpoint) => {
            let stream = checkpoint.id.stream.as_ref().map(|name| catalog.index_of(name).expect("it is configured"));
            vec![Given::State(stream, checkpoint.records)]
        }
        Item::StreamEnd { stream, complete } => vec![Given::End(stream, complete)],
        Item::Other(text) => vec![Given::Other(text)],
    }
}

/// Against what one would read line by line.
fn check(text: &[u8], given: &[Given], stop: Option<&str>) {
    let catalog = ConfiguredCatalog::from_text(CATALOG.to_owned()).expect("a catalog");
    let bad_line = stop.map(|why| {
        let number = why.strip_prefix("Line ").and_then(|rest| rest.split(' ').next());
        number.and_then(|number| number.parse::<usize>().ok()).unwrap_or_else(|| panic!("no line is named: {why}"))
    });
    let mut expected: Vec<Vec<String>> = vec![Vec::new(); catalog.streams().len()];
    // Of each STATE, how many records of each stream came before it.
    let mut states = Vec::new();
    let lines = text.split(|byte| *byte == b'\n').take(bad_line.map_or(usize::MAX, |number| number - 1));
    for (index, line) in lines.enumerate() {
        let line = line.strip_prefix("\u{feff}".as_bytes()).filter(|_| index == 0).unwrap_or(line);
        let line: Vec<u8> = line.iter().copied().filter(|byte| *byte != b'\r').collect();
        let Ok(line) = str::from_utf8(&line) else {
            input_message::pass_over_broken_text(&line).expect("a line before the one that is wrong");
            continue;
        };
        match input_message::parse(line).expect("a line before the one that is wrong") {
            InputMessage::Record(record) => {
                let name = crate::protocol::stream_name::StreamName {
                    name: record.stream.0.into_owned(),
                    namespace: record.namespace.map(|namespace| namespace.0.into_owned()),
                };
                let stream = catalog.index_of(&name).expect("a stream before the one that is wrong");
                expected[stream].push(record.data.get().to_owned());
            }
            InputMessage::State(_) => states.push(expected.iter().map(Vec::len).collect::<Vec<_>>()),
            _ => {}
        }
    }
    let mut came: Vec<Vec<&str>> = vec![Vec::new(); expected.len()];
    let mut states = states.into_iter();
    for item in given {
        match item {
            Given::Record(stream, record) => came[*stream].push(record),
            Given::State(stream, _) => {
                let before = states.next().expect("as many states as came in");
                // Every record that it covers has been handed over.
                let covered = stream.map_or(0..before.len(), |stream| stream..stream + 1);
                for stream in covered {
                    assert!(came[stream].len() >= before[stream], "a STATE before its records");
                }
            }
            Given::End(..) | Given::Other(_) => {}
        }
    }
    for (came, expected) in came.iter().zip(&expected) {
        assert!(came.len() <= expected.len() && came.iter().zip(expected).all(|(came, expected)| came == expected));
        // What was held back when the input went wrong is not handed over: no STATE covers it.
        assert!(bad_line.is_some() || came.len() == expected.len(), "a record was lost");
    }
}
