//! The table of streams, and how one of them is read. All of PokeAPI is of one kind: lists of names in the order of their
//! numbers, and behind each name its details.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use airlock_sdk::http::{Client, Page, Paging};
use airlock_sdk::{
    ConfiguredStream, Failure, Result, SavedState, Stream, StreamWriter, SyncMode, config_error, system_error,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::Config;

/// The streams. One more is one more row, and its schema.
pub const STREAMS: [PokeStream; 6] = [
    PokeStream::new("pokemon", "pokemon", include_str!("schemas/pokemon.json")),
    PokeStream::new("pokemon_species", "pokemon-species", include_str!("schemas/pokemon_species.json")),
    PokeStream::new("types", "type", include_str!("schemas/types.json")),
    PokeStream::new("moves", "move", include_str!("schemas/moves.json")),
    PokeStream::new("abilities", "ability", include_str!("schemas/abilities.json")),
    PokeStream {
        below: Some("encounters"),
        ..PokeStream::new("pokemon_encounters", "pokemon", include_str!("schemas/pokemon_encounters.json"))
    },
];

/// A stream: what is read of each entry of a list.
pub struct PokeStream {
    pub name: &'static str,
    list: &'static str,
    /// A list that each entry has below it. Without one, the entry's details are read.
    below: Option<&'static str>,
    schema: &'static str,
}

/// After so long a state is due within a page, too: an interruption costs no more than that.
const BETWEEN_STATES: Duration = Duration::from_secs(10);

/// How far a stream has been read.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    /// Every entry up to this number has been read.
    id: u64,
    /// Whether the list ends there.
    complete: bool,
}

/// What a list says of an entry.
#[derive(Deserialize)]
struct Entry {
    url: String,
}

/// What the details of every entry have in common.
#[derive(Deserialize)]
struct Details {
    id: u64,
}

/// A record of the list below an entry, with the number of the entry.
#[derive(Serialize)]
struct BelowEntry<'a> {
    pokemon_id: u64,
    #[serde(flatten)]
    fields: BTreeMap<String, &'a RawValue>,
}

impl PokeStream {
    const fn new(name: &'static str, list: &'static str, schema: &'static str) -> Self {
        PokeStream { name, list, below: None, schema }
    }

    /// The stream as `discover` describes it.
    pub fn describe(&self, config: &Config) -> Result<Stream> {
        let mut stream =
            Stream::with_schema(self.name, serde_json::from_str(self.schema)?).primary_key([self.cursor()]);
        if self.below.is_some() {
            stream.source_defined_primary_key.push(vec!["location_area".to_owned(), "name".to_owned()]);
        }
        // Of one entry there is nothing to go on with.
        Ok(if self.only_entry(config).is_some() { stream } else { stream.incremental(self.cursor()).resumable() })
    }

    fn cursor(&self) -> &'static str {
        if self.below.is_some() { "pokemon_id" } else { "id" }
    }

    /// The one entry that the user wants, where there is a choice.
    fn only_entry<'a>(&self, config: &'a Config) -> Option<&'a str> {
        config.pokemon_name.as_deref().filter(|_| self.list == "pokemon")
    }

    /// Reads the stream from where an earlier read stopped.
    pub fn read(
        &self,
        api: &Client,
        config: &Config,
        configured: &ConfiguredStream,
        state: &SavedState,
        writer: &mut StreamWriter,
    ) -> Result<()> {
        if let Some(name) = self.only_entry(config) {
            let found = api.get(self.list).segment(name).accepting(404).for_stream(writer).send()?;
            if found.status() == 404 {
                return Err(config_error(format!(
                    "There is no Pokémon {name}: {} was answered with 404 (Not Found). Check `pokemon_name` and `base_url`.",
                    found.name()
                )));
            }
            let details = found.page()?;
            let Details { id } = details.parse(details.record("")?)?;
            return self.read_entry(api, id, writer);
        }
        let mut done = match state.stream::<Position>(configured)? {
            // A full refresh goes on where it was interrupted, and begins anew after its end.
            Some(position) if position.complete && configured.sync_mode != SyncMode::Incremental => 0,
            Some(position) => position.id,
            None => 0,
        };
        let read = self.read_list(api, config.page_size, &mut done, writer);
        // After a failure as well: what has been read need not come again.
        writer.checkpoint(&Position { id: done, complete: read.is_ok() })?;
        read
    }

    fn read_list(&self, api: &Client, page_size: u32, done: &mut u64, writer: &mut StreamWriter) -> Result<()> {
        let mut pages = api.get(self.list).query("limit", page_size).pages(Paging::next_link("next"));
        let (mut listed, mut last, mut saved) = (0, 0, Instant::now());
        while let Some(page) = pages.next_for(writer)? {
            let entries = page.records("results")?;
            let count = entries.len() as u64;
            for entry in entries {
                let Entry { url } = page.parse(entry)?;
                let id = number(&url).ok_or_else(|| without_number(&page))?;
                if id <= last {
                    return Err(out_of_order(&page));
                }
                last = id;
                if id > *done {
                    self.read_entry(api, id, writer)?;
                    *done = id;
                    if saved.elapsed() >= BETWEEN_STATES {
                        writer.checkpoint(&Position { id, complete: false })?;
                        saved = Instant::now();
                    }
                }
            }
            listed += count;
            // An end before the end, or a hole: what is missing would never come, for the next sync goes on after it.
            if pages.is_over() || count == 0 {
                check_count(&page, listed)?;
            }
            saved = Instant::now();
            writer.checkpoint(&Position { id: *done, complete: false })?;
        }
        Ok(())
    }

    /// Writes what the stream has of an entry.
    fn read_entry(&self, api: &Client, id: u64, writer: &mut StreamWriter) -> Result<()> {
        let entry = api.get(self.list).segment(id);
        let Some(below) = self.below else {
            let page = entry.for_stream(writer).page()?;
            let details = page.record("")?;
            // Another's would be a record twice, and this one's would be missing.
            if page.parse::<Details>(details)?.id != id {
                return Err(another_entry(&page));
            }
            return writer.write_json(details.as_bytes());
        };
        let page = entry.segment(below).for_stream(writer).page()?;
        for record in page.records("")? {
            let mut fields: BTreeMap<String, &RawValue> = page.parse(record)?;
            // The key and the cursor are ours: a server that has a field of this name does not put another in their place.
            fields.remove("pokemon_id");
            writer.write(&BelowEntry { pokemon_id: id, fields })?;
        }
        Ok(())
    }
}

/// The number of an entry: the last part of its URL, as in `https://pokeapi.co/api/v2/pokemon/132/`.
fn number(url: &str) -> Option<u64> {
    let last = url.trim_end_matches('/').rsplit('/').next()?;
    // `parse` would take a sign, too.
    if last.bytes().all(|byte| byte.is_ascii_digit()) { last.parse().ok() } else { None }
}

/// Compares what was listed with what the list says to have, if it says so.
fn check_count(page: &Page, listed: u64) -> Result<()> {
    let count: Option<u64> = page.value("count").map_or(Ok(None), |count| page.parse(count))?;
    match count {
        Some(count) if listed < count => Err(system_error(format!(
            "{} was answered with no more entries after {listed}, although the list has {count}. What is missing is not known.",
            page.response().name()
        ))),
        _ => Ok(()),
    }
}

fn without_number(page: &Page) -> Failure {
    let name = page.response().name();
    system_error(format!("{name} was answered with an entry whose URL does not end in its number."))
}

fn out_of_order(page: &Page) -> Failure {
    system_error(format!(
        "{} was answered with entries that are not in the order of their numbers: where the next sync has to go on can not \
         be told.",
        page.response().name()
    ))
}

fn another_entry(page: &Page) -> Failure {
    let name = page.response().name();
    system_error(format!("{name} was answered with the details of another entry than the one that was asked for."))
}
