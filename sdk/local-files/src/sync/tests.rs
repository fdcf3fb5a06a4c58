//! The rules of a sync over a directory, for files with and without a header, with the power cut after every step.

use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::disk::crash;
use crate::format::tests::{Lines, PLAIN, WITH_HEADER};
use airlock_sdk::FailureKind;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// A directory with syncs into it. A record is a number; a state is how many records of all a sync has given.
struct Place {
    root: TempDir,
    format: Lines,
}

/// How a stream is configured: destination sync mode, generation, minimum generation, sync.
type Mode = (&'static str, Option<i64>, Option<i64>, Option<i64>);

const APPEND: Mode = ("append", None, None, None);
const OVERWRITE: Mode = ("overwrite", None, None, None);

const fn overwrite(generation: i64, sync: i64) -> Mode {
    ("overwrite", Some(generation), Some(generation), Some(sync))
}

const fn refresh(generation: i64, sync: i64) -> Mode {
    ("append", Some(generation), Some(generation), Some(sync))
}

const fn append(generation: i64, sync: i64) -> Mode {
    ("append", Some(generation), Some(0), Some(sync))
}

impl Place {
    fn new(format: Lines) -> Self {
        crash::start_again();
        Place { root: tempdir().unwrap(), format }
    }

    fn begin(&self, streams: &[(&str, Mode)]) -> Result<Sync<Lines, u64>> {
        let streams: Vec<Value> = streams
            .iter()
            .map(|(name, (mode, generation, minimum, sync))| {
                json!({
                    "stream": {"name": name, "json_schema": {}},
                    "sync_mode": "full_refresh",
                    "destination_sync_mode": mode,
                    "generation_id": generation,
                    "minimum_generation_id": minimum,
                    "sync_id": sync,
                })
            })
            .collect();
        let catalog = serde_json::from_value(json!({"streams": streams})).unwrap();
        let root = self.root.path();
        Sync::begin(root, &root.join("local/x"), self.format, &catalog)
    }

    fn users(&self, mode: Mode) -> Result<Sync<Lines, u64>> {
        self.begin(&[("users", mode)])
    }

    /// A whole sync of `users` with these records and a state at the end.
    fn sync(&self, mode: Mode, records: std::ops::Range<u64>) -> Result<Vec<u64>> {
        let mut sync = self.users(mode)?;
        write(&mut sync, "users", records.clone())?;
        let mut committed = Vec::from_iter(sync.checkpoint(users(), records.end)?);
        committed.extend(sync.stream_complete(&"users".into())?);
        sync.finish()?;
        Ok(committed)
    }

    fn put(&self, file: &str, content: &str) {
        let directory = self.root.path().join("local/x");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(file), content).unwrap();
    }

    fn has(&self, file: &str) -> bool {
        self.root.path().join("local/x").join(file).exists()
    }

    fn files(&self) -> BTreeSet<String> {
        fs::read_dir(self.root.path().join("local/x"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// The records of the file of a stream.
    fn numbers(&self, stream: &str) -> Vec<u64> {
        self.numbers_in(&format!("_airbyte_raw_{stream}.jsonl"))
    }

    fn numbers_in(&self, file: &str) -> Vec<u64> {
        let Ok(text) = fs::read_to_string(self.root.path().join("local/x").join(file)) else {
            return Vec::new();
        };
        let lines = text.strip_prefix(self.format.header).unwrap_or_else(|| panic!("{file}: {text}"));
        assert!(lines.is_empty() || lines.ends_with('\n'), "{file}: {text}");
        lines.lines().map(number).collect()
    }

    /// What a reader finds after a crash: the last line can be torn.
    fn numbers_after_a_crash(&self, stream: &str) -> Vec<u64> {
        let file = format!("local/x/_airbyte_raw_{stream}.jsonl");
        let text = fs::read_to_string(self.root.path().join(file)).unwrap_or_default();
        let lines = text.strip_prefix(self.format.header).unwrap_or_default();
        lines.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(number).collect()
    }
}

fn number(line: &str) -> u64 {
    let data = line.splitn(3, ' ').nth(2).unwrap();
    serde_json::from_str::<Value>(data).unwrap()["n"].as_u64().unwrap()
}

fn users() -> CheckpointScope {
    CheckpointScope::Stream("users".into())
}

fn write(sync: &mut Sync<Lines, u64>, stream: &str, numbers: std::ops::Range<u64>) -> Result<()> {
    let records: Vec<String> = numbers.map(|n| format!("{{\"n\":{n}}}")).collect();
    sync.write(&stream.into(), records.iter().map(|record| (record.as_bytes(), 0)))
}

fn whole(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

const GENERATION_2: &str = "._airbyte_raw_users.generation-2.jsonl";
const REPLACEMENT: &str = "._airbyte_raw_users.replacement.jsonl";
const NOTE: &str = "._airbyte_raw_users.json";

/// Every rule holds for every kind of format.
macro_rules! rules {
    ($($rule:ident)*) => {
        mod without_a_header {
            $(#[test] fn $rule() { super::$rule(super::PLAIN); })*
        }
        mod with_a_header {
            $(#[test] fn $rule() { super::$rule(super::WITH_HEADER); })*
        }
    };
}

rules! {
    append_adds_to_what_is_there
    a_checkpoint_is_given_back_after_the_sync_of_its_stream_only
    a_failed_append_keeps_what_was_acknowledged
    a_generation_replaces_when_it_is_complete
    a_failed_generation_is_gone_on_with
    temporary_files_of_other_generations_go
    a_refreshed_stream_is_appended_to_by_later_syncs_of_its_generation
    overwrite_of_the_same_generation
    without_a_generation_nothing_is_committed_before_the_swap
    without_a_generation_a_failed_sync_commits_nothing_and_changes_nothing
    a_global_checkpoint_waits_for_every_replacement_without_a_generation
    streams_end_each_by_itself
    an_append_keeps_what_an_unfinished_refresh_acknowledged
    a_file_that_somebody_took_away_begins_again
    what_can_not_be_done_is_refused_before_anything_is_written
    a_directory_in_the_way_is_told_before_anything_is_read
    streams_that_are_not_configured_are_refused
    no_crash_loses_what_an_append_committed
    no_crash_of_the_first_sync_loses_what_it_committed
    what_is_replaced_may_have_another_header
    no_crash_shows_half_a_replacement
    no_crash_of_an_overwrite_of_the_same_generation_shows_half_of_it
    the_next_generation_after_a_crash_begins_again
    no_crash_of_a_refresh_loses_what_the_next_append_needs
    no_crash_of_a_merge_adds_twice
}

fn append_adds_to_what_is_there(format: Lines) {
    let place = Place::new(format);
    for mode in [APPEND, append(3, 1), append(3, 2), ("append_dedup", None, None, None)] {
        assert_eq!(place.sync(mode, 0..2).unwrap(), [2]);
    }
    assert_eq!(place.numbers("users"), [0, 1, 0, 1, 0, 1, 0, 1]);
    assert_eq!(place.files(), BTreeSet::from(["_airbyte_raw_users.jsonl".to_owned()]));
}

fn a_checkpoint_is_given_back_after_the_sync_of_its_stream_only(format: Lines) {
    let place = Place::new(format);
    let mut sync = place.begin(&[("users", APPEND), ("orders", refresh(2, 1))]).unwrap();
    let before = crash::start_again();
    assert_eq!(before.last().unwrap(), "sync directory x", "new files are safe");
    write(&mut sync, "users", 0..1).unwrap();
    write(&mut sync, "orders", 0..1).unwrap();
    crash::start_again();
    assert_eq!(sync.checkpoint(users(), 1).unwrap(), Some(1));
    assert_eq!(crash::start_again(), ["sync _airbyte_raw_users.jsonl"]);
    assert_eq!(sync.checkpoint(CheckpointScope::Global, 2).unwrap(), Some(2));
    assert_eq!(crash::start_again(), ["sync ._airbyte_raw_orders.generation-2.jsonl"]);
    write(&mut sync, "orders", 1..2).unwrap();
    crash::start_again();
    assert_eq!(sync.checkpoint(users(), 3).unwrap(), Some(3));
    assert_eq!(crash::start_again(), [""; 0]);
}

fn a_failed_append_keeps_what_was_acknowledged(format: Lines) {
    let place = Place::new(format);
    place.sync(APPEND, 0..2).unwrap();
    let mut sync = place.users(APPEND).unwrap();
    write(&mut sync, "users", 2..4).unwrap();
    assert_eq!(sync.checkpoint(users(), 4).unwrap(), Some(4));
    write(&mut sync, "users", 4..9).unwrap();
    sync.abandon();
    assert_eq!(place.numbers("users"), whole(0..4));
    place.sync(APPEND, 4..9).unwrap();
    assert_eq!(place.numbers("users"), whole(0..9));
}

fn a_generation_replaces_when_it_is_complete(format: Lines) {
    for mode in [overwrite(2, 7), refresh(2, 7)] {
        let place = Place::new(format);
        place.sync(APPEND, 100..103).unwrap();
        let mut sync = place.users(mode).unwrap();
        write(&mut sync, "users", 0..2).unwrap();
        assert_eq!(sync.checkpoint(users(), 2).unwrap(), Some(2), "synced is enough");
        assert_eq!(place.numbers("users"), whole(100..103));
        assert_eq!(place.numbers_in(GENERATION_2), whole(0..2));

        crash::start_again();
        assert_eq!(sync.stream_complete(&"users".into()).unwrap(), [0; 0]);
        assert_eq!(
            crash::start_again(),
            [
                "open ._airbyte_raw_users.json.new",
                "cut ._airbyte_raw_users.json.new",
                "write ._airbyte_raw_users.json.new",
                "sync ._airbyte_raw_users.json.new",
                "rename ._airbyte_raw_users.json",
                "sync directory x",
                "rename _airbyte_raw_users.jsonl",
                "sync directory x",
            ]
        );
        assert_eq!(place.numbers("users"), whole(0..2));
        assert!(!place.has(GENERATION_2));
        assert_eq!(sync.checkpoint(users(), 2).unwrap(), Some(2), "states may come later");
        sync.finish().unwrap();
    }
}

fn a_failed_generation_is_gone_on_with(format: Lines) {
    for mode in [overwrite(2, 7), refresh(2, 7)] {
        let place = Place::new(format);
        place.sync(overwrite(1, 6), 100..103).unwrap();

        // An attempt whose source does not finish, one that is interrupted, one that a crash tears off.
        let mut sync = place.users(mode).unwrap();
        write(&mut sync, "users", 0..2).unwrap();
        assert_eq!(sync.checkpoint(users(), 2).unwrap(), Some(2));
        write(&mut sync, "users", 2..4).unwrap();
        sync.finish().unwrap();
        assert_eq!(place.numbers_in(GENERATION_2), whole(0..2));

        let mut sync = place.users(mode).unwrap();
        write(&mut sync, "users", 2..3).unwrap();
        assert_eq!(sync.checkpoint(users(), 3).unwrap(), Some(3));
        write(&mut sync, "users", 3..4).unwrap();
        sync.abandon();

        let torn = fs::read_to_string(place.root.path().join("local/x").join(GENERATION_2));
        place.put(GENERATION_2, &(torn.unwrap() + "{\"_airbyte_ab_id\":\"0"));
        assert_eq!(place.numbers("users"), whole(100..103));

        place.sync(mode, 3..6).unwrap();
        assert_eq!(place.numbers("users"), whole(0..6));
        assert_eq!(place.files().len(), 2, "the records and the note");
    }
}

fn temporary_files_of_other_generations_go(format: Lines) {
    let place = Place::new(format);
    place.sync(APPEND, 100..103).unwrap();
    for generation in [1, 3, 12] {
        place.put(&format!("._airbyte_raw_users.generation-{generation}.jsonl"), "{}\n");
    }
    place.put(REPLACEMENT, "{}\n");
    place.put("._airbyte_raw_users2.generation-1.jsonl", "{}\n");
    let sync = place.users(overwrite(2, 7)).unwrap();
    assert_eq!(
        place.files(),
        BTreeSet::from([
            "_airbyte_raw_users.jsonl".to_owned(),
            GENERATION_2.to_owned(),
            "._airbyte_raw_users2.generation-1.jsonl".to_owned(),
        ])
    );
    sync.abandon();
}

fn a_refreshed_stream_is_appended_to_by_later_syncs_of_its_generation(format: Lines) {
    let place = Place::new(format);
    place.sync(APPEND, 100..103).unwrap();
    place.sync(refresh(2, 7), 0..2).unwrap();
    assert_eq!(place.numbers("users"), whole(0..2));
    // An attempt that is tried again, clients that do not set the minimum back, and the platform's way.
    for mode in [refresh(2, 7), refresh(2, 8), append(2, 9), refresh(2, 9)] {
        let end = place.numbers("users").len() as u64;
        place.sync(mode, end..end + 2).unwrap();
    }
    assert_eq!(place.numbers("users"), whole(0..10));
    place.sync(refresh(3, 10), 50..52).unwrap();
    assert_eq!(place.numbers("users"), whole(50..52));
}

fn overwrite_of_the_same_generation(format: Lines) {
    // The same sync is tried again: it adds.
    let place = Place::new(format);
    place.sync(overwrite(2, 7), 0..2).unwrap();
    assert_eq!(place.sync(overwrite(2, 7), 2..4).unwrap(), [4]);
    assert_eq!(place.numbers("users"), whole(0..4));

    // Another sync overwrites, though the client does not count generations: none known, PyAirbyte's ones.
    for (first, second) in [
        (overwrite(2, 7), overwrite(2, 8)),
        (("overwrite", Some(2), Some(2), None), ("overwrite", Some(2), Some(2), None)),
        (overwrite(1, 1), overwrite(1, 1)),
    ] {
        let place = Place::new(format);
        place.sync(first, 0..2).unwrap();
        let mut sync = place.users(second).unwrap();
        write(&mut sync, "users", 10..12).unwrap();
        assert_eq!(sync.checkpoint(users(), 12).unwrap(), None, "held until the swap");
        assert_eq!(place.numbers("users"), whole(0..2));
        assert_eq!(sync.stream_complete(&"users".into()).unwrap(), [12]);
        sync.finish().unwrap();
        assert_eq!(place.numbers("users"), whole(10..12));

        // It fails: the file stays whole.
        if second.3 != Some(8) {
            let mut sync = place.users(second).unwrap();
            write(&mut sync, "users", 20..22).unwrap();
            assert_eq!(sync.checkpoint(users(), 22).unwrap(), None);
            assert!(sync.finish().is_err());
            assert_eq!(place.numbers("users"), whole(10..12));
        }

        // Nothing comes, as from a source whose state says that all is there: the file stays.
        let mut sync = place.users(second).unwrap();
        let committed = sync.checkpoint(users(), 0).unwrap();
        let after = sync.stream_complete(&"users".into()).unwrap();
        assert_eq!(committed.into_iter().chain(after).collect::<Vec<_>>(), [0]);
        sync.finish().unwrap();
        assert_eq!(place.numbers("users"), whole(10..12));
        assert!(!place.has(REPLACEMENT));
    }
}

fn without_a_generation_nothing_is_committed_before_the_swap(format: Lines) {
    let place = Place::new(format);
    place.sync(APPEND, 100..103).unwrap();
    let mut sync = place.users(OVERWRITE).unwrap();
    write(&mut sync, "users", 0..2).unwrap();
    assert_eq!(sync.checkpoint(users(), 2).unwrap(), None);
    write(&mut sync, "users", 2..3).unwrap();
    assert_eq!(sync.checkpoint(users(), 3).unwrap(), None);
    assert_eq!(place.numbers("users"), whole(100..103));
    crash::start_again();
    assert_eq!(sync.stream_complete(&"users".into()).unwrap(), [2, 3]);
    let steps = crash::start_again();
    assert_eq!(
        steps,
        [
            "sync ._airbyte_raw_users.replacement.jsonl",
            "remove ._airbyte_raw_users.json",
            "sync directory x",
            "rename _airbyte_raw_users.jsonl",
            "sync directory x",
        ]
    );
    assert_eq!(place.numbers("users"), whole(0..3));
    sync.finish().unwrap();
    place.sync(OVERWRITE, 7..8).unwrap();
    assert_eq!(place.numbers("users"), whole(7..8));
    place.sync(OVERWRITE, 0..0).unwrap();
    assert_eq!(place.numbers("users"), [0; 0], "an empty source empties the file");
    assert_eq!(place.files().len(), 1);
}

fn without_a_generation_a_failed_sync_commits_nothing_and_changes_nothing(format: Lines) {
    let place = Place::new(format);
    place.sync(overwrite(4, 1), 100..103).unwrap();
    let mut sync = place.users(OVERWRITE).unwrap();
    write(&mut sync, "users", 0..2).unwrap();
    assert_eq!(sync.checkpoint(users(), 2).unwrap(), None);
    let failure = sync.finish().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransientError);
    assert!(failure.message.contains("\"users\""), "{failure}");
    assert_eq!(place.numbers("users"), whole(100..103));
    assert!(!place.has(REPLACEMENT));
    assert!(place.has(NOTE));

    let mut sync = place.users(OVERWRITE).unwrap();
    write(&mut sync, "users", 0..2).unwrap();
    sync.abandon();
    assert_eq!(place.numbers("users"), whole(100..103));
    assert!(!place.has(REPLACEMENT));
}

fn a_global_checkpoint_waits_for_every_replacement_without_a_generation(format: Lines) {
    let place = Place::new(format);
    let streams = [("users", OVERWRITE), ("orders", OVERWRITE), ("visits", APPEND)];
    let mut sync = place.begin(&streams).unwrap();
    for stream in ["users", "orders", "visits"] {
        write(&mut sync, stream, 0..2).unwrap();
    }
    assert_eq!(sync.checkpoint(CheckpointScope::Global, 6).unwrap(), None);
    assert_eq!(sync.stream_complete(&"users".into()).unwrap(), [0; 0]);
    write(&mut sync, "visits", 2..3).unwrap();
    assert_eq!(sync.checkpoint(CheckpointScope::Global, 7).unwrap(), None);
    crash::start_again();
    assert_eq!(sync.stream_complete(&"orders".into()).unwrap(), [6, 7]);
    assert_eq!(crash::start_again().last().unwrap(), "sync _airbyte_raw_visits.jsonl");
    assert_eq!(sync.stream_complete(&"visits".into()).unwrap(), [0; 0]);
    assert_eq!(sync.checkpoint(CheckpointScope::Global, 8).unwrap(), Some(8));
    sync.finish().unwrap();
    assert_eq!(place.numbers("visits"), whole(0..3));
}

fn streams_end_each_by_itself(format: Lines) {
    let place = Place::new(format);
    place.begin(&[("users", APPEND), ("orders", APPEND)]).unwrap().abandon();
    let streams = [("users", OVERWRITE), ("orders", overwrite(2, 7))];
    let mut sync = place.begin(&streams).unwrap();
    write(&mut sync, "users", 0..2).unwrap();
    write(&mut sync, "orders", 0..2).unwrap();
    let orders = CheckpointScope::Stream("orders".into());
    assert_eq!(sync.checkpoint(users(), 2).unwrap(), None);
    assert_eq!(sync.checkpoint(orders, 2).unwrap(), Some(2));
    assert_eq!(sync.stream_complete(&"users".into()).unwrap(), [2]);
    // `orders` does not finish, but everything is committed.
    sync.finish().unwrap();
    assert_eq!(place.numbers("users"), whole(0..2));
    assert_eq!(place.numbers("orders"), [0; 0]);
}

fn an_append_keeps_what_an_unfinished_refresh_acknowledged(format: Lines) {
    let place = Place::new(format);
    place.sync(append(1, 1), 0..3).unwrap();
    let mut sync = place.users(refresh(2, 2)).unwrap();
    write(&mut sync, "users", 3..5).unwrap();
    assert_eq!(sync.checkpoint(users(), 5).unwrap(), Some(5));
    sync.finish().unwrap();
    assert_eq!(place.numbers("users"), whole(0..3));

    place.sync(append(2, 3), 5..7).unwrap();
    assert_eq!(place.numbers("users"), whole(0..7));
    assert_eq!(place.files().len(), 1);
}

fn a_file_that_somebody_took_away_begins_again(format: Lines) {
    let place = Place::new(format);
    place.sync(overwrite(2, 7), 0..2).unwrap();
    fs::remove_file(place.root.path().join("local/x/_airbyte_raw_users.jsonl")).unwrap();
    let mut sync = place.users(overwrite(2, 7)).unwrap();
    write(&mut sync, "users", 0..1).unwrap();
    assert_eq!(sync.checkpoint(users(), 1).unwrap(), Some(1));
    sync.finish().unwrap();
    assert!(!place.has("_airbyte_raw_users.jsonl"), "not complete yet");
    place.sync(overwrite(2, 7), 1..2).unwrap();
    assert_eq!(place.numbers("users"), whole(0..2));
}

fn what_can_not_be_done_is_refused_before_anything_is_written(format: Lines) {
    let place = Place::new(format);
    for (streams, words) in [
        ([("users", OVERWRITE), ("a b", APPEND), ("a-b", APPEND)], "\"a b\" and \"a-b\""),
        ([("users", OVERWRITE), ("b", APPEND), ("c", ("update", None, None, None))], "update"),
        ([("users", OVERWRITE), ("b", APPEND), ("c", ("append", Some(5), Some(4), None))], "generation_id 5"),
    ] {
        let failure = place.begin(&streams).err().unwrap();
        assert!(failure.message.contains(words), "{failure}");
        assert!(!place.root.path().join("local").exists());
    }
}

#[test]
fn a_file_with_another_header_is_refused_before_anything_is_written() {
    let users = "_airbyte_raw_users.jsonl";
    let wrong = "id;time;data\n1;2;{}\n";
    let refused = |place: &Place, mode: Mode| {
        let failure = place.begin(&[("a", APPEND), ("users", mode)]).err().unwrap();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert_eq!(failure.stream(), Some(&"users".into()));
        assert!(!place.has("_airbyte_raw_a.jsonl"));
    };
    let place = Place::new(WITH_HEADER);
    place.put(users, wrong);
    for mode in [APPEND, append(2, 7)] {
        refused(&place, mode);
        assert_eq!(place.files(), BTreeSet::from([users.to_owned()]));
    }

    // An attempt that is gone on with, and a file that has the generation already.
    place.put(GENERATION_2, wrong);
    refused(&place, refresh(2, 7));
    fs::remove_file(place.root.path().join("local/x").join(GENERATION_2)).unwrap();
    place.sync(refresh(2, 7), 0..2).unwrap();
    place.put(users, wrong);
    refused(&place, overwrite(2, 7));
    refused(&place, append(2, 8));
    place.sync(overwrite(2, 8), 0..2).unwrap();
    assert_eq!(place.numbers("users"), whole(0..2));

    // A refresh that was never completed can not be added either, and does not stand in the way of the next.
    place.put("._airbyte_raw_users.generation-3.jsonl", wrong);
    let failure = place.users(append(3, 9)).err().unwrap();
    assert!(failure.message.contains("generation-3"), "{failure}");
    assert_eq!(place.numbers("users"), whole(0..2));
    place.sync(overwrite(4, 10), 5..6).unwrap();
    assert_eq!(place.numbers("users"), whole(5..6));
}

fn a_directory_in_the_way_is_told_before_anything_is_read(format: Lines) {
    for mode in [APPEND, OVERWRITE, overwrite(2, 7)] {
        let place = Place::new(format);
        let path = place.root.path().join("local/x/_airbyte_raw_users.jsonl");
        fs::create_dir_all(&path).unwrap();
        let failure = place.users(mode).err().unwrap();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert_eq!(failure.stream(), Some(&"users".into()));
        assert!(failure.message.contains("_airbyte_raw_users.jsonl"), "{failure}");
    }
}

fn streams_that_are_not_configured_are_refused(format: Lines) {
    let place = Place::new(format);
    let mut sync = place.users(APPEND).unwrap();
    assert!(write(&mut sync, "orders", 0..1).is_err());
    let orders = CheckpointScope::Stream("orders".into());
    assert!(sync.checkpoint(orders, 1).is_err());
    assert!(sync.stream_complete(&"orders".into()).is_err());
}

/// The steps of a sync of `0..6` that goes on at `from`. What is committed is told to `commit` as it is.
fn attempt(place: &Place, mode: Mode, from: u64, commit: &mut dyn FnMut(u64)) -> Result<()> {
    let mut sync = place.users(mode)?;
    let mut at = from;
    while at < 6 {
        let end = (at + 2).min(6);
        write(&mut sync, "users", at..end)?;
        sync.checkpoint(users(), end)?.into_iter().for_each(&mut *commit);
        at = end;
    }
    let released = sync.stream_complete(&"users".into())?;
    released.into_iter().for_each(commit);
    sync.finish()
}

/// Cuts the power after every step there is, with half of the next write done or none, looks at the directory, and
/// tries again from the committed state.
fn cut_off_everywhere(
    format: Lines,
    prepare: impl Fn(&Place),
    first: Mode,
    second: Mode,
    look: impl Fn(&Place),
) -> Vec<(u64, Vec<u64>)> {
    let mut results = Vec::new();
    for steps in 0.. {
        let mut is_done = false;
        for tears in [false, true] {
            let place = Place::new(format);
            prepare(&place);
            let mut committed = 0;
            crash::cut_off_after(steps, tears);
            is_done = attempt(&place, first, 0, &mut |state| committed = state).is_ok();
            crash::start_again();
            look(&place);
            if is_done {
                assert_eq!(committed, 6);
                continue;
            }
            let from = committed;
            attempt(&place, second, from, &mut |state| committed = state)
                .unwrap_or_else(|failure| panic!("after {steps} steps: {failure:?}"));
            assert!(committed == 6 || from == 6);
            assert!(!place.has(GENERATION_2) && !place.has(REPLACEMENT));
            results.push((from, place.numbers("users")));
        }
        if is_done {
            assert!(steps > 10, "there were steps to cut off after");
            return results;
        }
    }
    unreachable!()
}

/// Nothing is missing; what was sent twice, because it was not committed, may be there twice.
fn assert_all_there(numbers: &[u64], expected: std::ops::Range<u64>) {
    let there: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(there, expected.collect(), "{numbers:?}");
}

fn no_crash_loses_what_an_append_committed(format: Lines) {
    let results = cut_off_everywhere(
        format,
        |place| {
            place.sync(APPEND, 100..102).unwrap();
        },
        APPEND,
        APPEND,
        |place| assert_eq!(place.numbers_after_a_crash("users")[..2], [100, 101]),
    );
    for (_, numbers) in results {
        assert_eq!(numbers[..2], [100, 101]);
        assert_all_there(&numbers[2..], 0..6);
    }
}

fn no_crash_of_the_first_sync_loses_what_it_committed(format: Lines) {
    for mode in [APPEND, OVERWRITE, overwrite(2, 7), refresh(2, 7)] {
        let results = cut_off_everywhere(format, |_| (), mode, mode, |_| ());
        for (_, numbers) in results {
            assert_all_there(&numbers, 0..6);
        }
    }
}

fn what_is_replaced_may_have_another_header(format: Lines) {
    for mode in [OVERWRITE, overwrite(2, 7), refresh(2, 7)] {
        let results = cut_off_everywhere(
            format,
            |place| {
                place.put("_airbyte_raw_users.jsonl", &format!("some header\n{}1 1 {{\"n\":100}}\n", format.header))
            },
            mode,
            mode,
            |_| (),
        );
        for (_, numbers) in results {
            assert_all_there(&numbers, 0..6);
        }
    }
}

fn no_crash_shows_half_a_replacement(format: Lines) {
    for mode in [OVERWRITE, overwrite(2, 7), refresh(2, 7)] {
        let results = cut_off_everywhere(
            format,
            |place| {
                place.sync(overwrite(1, 5), 100..102).unwrap();
            },
            mode,
            mode,
            |place| {
                let numbers = place.numbers_after_a_crash("users");
                assert!(numbers == [100, 101] || numbers == whole(0..6), "{numbers:?}");
            },
        );
        for (from, numbers) in results {
            assert_all_there(&numbers, 0..6);
            if mode == OVERWRITE {
                assert_eq!(from, 0, "nothing is committed before the swap");
                assert_eq!(numbers, whole(0..6));
            }
        }
    }
}

fn no_crash_of_an_overwrite_of_the_same_generation_shows_half_of_it(format: Lines) {
    let results = cut_off_everywhere(
        format,
        |place| {
            place.sync(overwrite(2, 5), 100..102).unwrap();
        },
        overwrite(2, 7),
        overwrite(2, 7),
        |place| {
            let numbers = place.numbers_after_a_crash("users");
            assert!(numbers == [100, 101] || numbers == whole(0..6), "{numbers:?}");
        },
    );
    for (_, numbers) in results {
        assert_all_there(&numbers, 0..6);
    }
}

fn the_next_generation_after_a_crash_begins_again(format: Lines) {
    let results = cut_off_everywhere(
        format,
        |place| {
            place.sync(overwrite(1, 5), 100..102).unwrap();
        },
        overwrite(2, 7),
        OVERWRITE,
        |_| (),
    );
    for (from, numbers) in results {
        // The state of the attempt before is no use to a sync of another generation; this one began there.
        assert_eq!(numbers, whole(from..6));
    }
}

fn no_crash_of_a_refresh_loses_what_the_next_append_needs(format: Lines) {
    let results = cut_off_everywhere(
        format,
        |place| {
            place.sync(append(1, 5), 100..102).unwrap();
        },
        refresh(2, 7),
        append(2, 8),
        |_| (),
    );
    for (_, numbers) in results {
        let new: Vec<u64> = numbers.iter().copied().filter(|n| *n < 100).collect();
        assert_all_there(&new, 0..6);
        let old: Vec<u64> = numbers.iter().copied().filter(|n| *n >= 100).collect();
        assert!(old == [100, 101] || (old.is_empty() && new == whole(0..6)), "{numbers:?}");
    }
}

fn no_crash_of_a_merge_adds_twice(format: Lines) {
    let results = cut_off_everywhere(
        format,
        |place| {
            place.sync(append(1, 5), 100..102).unwrap();
            let mut sync = place.users(refresh(2, 7)).unwrap();
            write(&mut sync, "users", 200..203).unwrap();
            assert_eq!(sync.checkpoint(users(), 0).unwrap(), Some(0));
            sync.finish().unwrap();
        },
        append(2, 8),
        append(2, 8),
        |_| (),
    );
    for (_, numbers) in results {
        assert_eq!(numbers[..5], [100, 101, 200, 201, 202], "{numbers:?}");
        assert_all_there(&numbers[5..], 0..6);
    }
}
