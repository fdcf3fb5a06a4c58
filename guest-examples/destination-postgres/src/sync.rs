//! One sync: records go into a transaction, and a checkpoint is acknowledged once a commit holds all that it covers.
//!
//! A replacement that no later sync goes on with is worth nothing until it has taken its table's place, so checkpoints that cover it
//! are held until then.

use std::collections::HashMap;

use airlock_postgres::Connection;
use airlock_sdk::{
    Checkpoint, CheckpointScope, ConfiguredCatalog, Failure, Input, Intent, Item, RecordBatch, Result, StreamName,
    system_error, transient_error,
};

use crate::config::Config;
use crate::decision::Deduplication;
use crate::names::TableNames;
use crate::rows::{HEADER, RecordIds, Rows, TRAILER};
use crate::tables::{Settings, Tables, make_schema};

/// How much is asked for at a time.
const BATCH_BYTES: u32 = 1024 * 1024;

/// Rows are handed on when there are this many bytes of them.
const PIECE_BYTES: usize = 64 * 1024;

/// Writes the streams of the catalog.
pub fn run(config: &Config, catalog: &ConfiguredCatalog, input: Input) -> Result<()> {
    // What can not be done is refused before anything is touched.
    let options = config.connect_options()?;
    let mut plans = Vec::new();
    for configured in &catalog.streams {
        plans.push((configured, Intent::of(configured)?, Deduplication::of(configured)?));
    }
    let streams: Vec<StreamName> = catalog.streams.iter().map(StreamName::from).collect();
    let names = TableNames::of_all(&streams, config.default_namespace())?;
    config.warn();

    let settings = Settings {
        schema: config.raw_schema(),
        drops_dependents: config.drops_dependents(),
        deletes: config.deletes(),
    };
    let mut connection = Connection::connect(&options)?;
    make_schema(&mut connection, &settings.schema)?;
    let mut sync = Sync {
        connection,
        streams: Vec::new(),
        positions: HashMap::new(),
        ids: RecordIds::new(),
        piece: Vec::new(),
        held: Vec::new(),
    };
    for ((configured, intent, deduplication), names) in plans.into_iter().zip(names) {
        let stream = configured.name();
        let tables = Tables::open(&mut sync.connection, &settings, stream.clone(), names, intent, deduplication)
            .map_err(|failure| failure.for_stream(stream.clone()))?;
        sync.positions.insert(stream, sync.streams.len());
        sync.streams.push((tables, Rows::new(configured.generation_id, configured.sync_id)));
    }
    match sync.take_all(input) {
        Ok(()) => sync.finish(),
        Err(failure) => {
            sync.abandon();
            Err(failure)
        }
    }
}

struct Sync {
    connection: Connection,
    streams: Vec<(Tables, Rows)>,
    positions: HashMap<StreamName, usize>,
    ids: RecordIds,
    piece: Vec<u8>,
    held: Vec<(CheckpointScope, Checkpoint)>,
}

impl Sync {
    fn take_all(&mut self, mut input: Input) -> Result<()> {
        let mut next = input.next(BATCH_BYTES)?;
        while let Some(item) = next {
            next = match item {
                Item::Records(batch) => self.copy(batch, &mut input)?,
                Item::Checkpoint(checkpoint) => {
                    self.checkpoint(checkpoint)?;
                    input.next(BATCH_BYTES)?
                }
                Item::StreamEnd(end) => {
                    if end.is_complete {
                        self.complete(&end.stream)?;
                    } else {
                        log::warn!(
                            "The source did not finish the stream {}: what was there before stays, and so does what is \
                             acknowledged.",
                            end.stream
                        );
                    }
                    input.next(BATCH_BYTES)?
                }
                Item::Other(_) => input.next(BATCH_BYTES)?,
            };
        }
        Ok(())
    }

    /// Writes records of one stream, as long as there come any. Gives back what came then.
    fn copy(&mut self, batch: RecordBatch, input: &mut Input) -> Result<Option<Item>> {
        let stream = batch.stream.clone();
        let position = self.position(&stream)?;
        let (tables, rows) = &mut self.streams[position];
        let of_stream = |failure: Failure| failure.for_stream(&stream);
        let begin = if self.connection.is_in_transaction() { "" } else { "BEGIN; " };
        let sql = format!("{begin}{}", tables.copy());
        let mut copy = self.connection.copy_in(&sql).map_err(|error| of_stream(tables.not_changed(error)))?;
        self.piece.clear();
        self.piece.extend_from_slice(HEADER);
        let mut batch = batch;
        let next = loop {
            for record in batch.iter() {
                rows.add(&record, &mut self.ids, &mut self.piece).map_err(of_stream)?;
                if self.piece.len() >= PIECE_BYTES {
                    copy.write(&self.piece).map_err(|error| of_stream(error.into()))?;
                    self.piece.clear();
                    // A record of many megabytes leaves no buffer of that size behind.
                    self.piece.shrink_to(4 * PIECE_BYTES);
                }
            }
            match input.next(BATCH_BYTES)? {
                Some(Item::Records(more)) if more.stream == stream => batch = more,
                other => break other,
            }
        };
        self.piece.extend_from_slice(TRAILER);
        copy.write(&self.piece).and_then(|()| copy.finish()).map_err(|error| of_stream(error.into()))?;
        Ok(next)
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let scope = checkpoint.scope();
        if let CheckpointScope::Stream(stream) = &scope {
            self.position(stream)?;
        }
        if self.is_kept(&scope) {
            self.commit()?;
            return checkpoint.commit();
        }
        self.held.push((scope, checkpoint));
        Ok(())
    }

    /// Everything of a stream has come: what waited for it may be acknowledged.
    fn complete(&mut self, stream: &StreamName) -> Result<()> {
        let position = self.position(stream)?;
        self.begin()?;
        let (tables, _) = &mut self.streams[position];
        let completed = tables.complete(&mut self.connection);
        completed.and_then(|()| self.commit()).map_err(|failure| failure.for_stream(stream))?;
        for (scope, checkpoint) in std::mem::take(&mut self.held) {
            if self.is_kept(&scope) {
                checkpoint.commit()?;
            } else {
                self.held.push((scope, checkpoint));
            }
        }
        Ok(())
    }

    /// Whether everything that a checkpoint covers is safe once it is committed.
    fn is_kept(&self, scope: &CheckpointScope) -> bool {
        match scope {
            CheckpointScope::Stream(stream) => {
                self.positions.get(stream).is_some_and(|position| self.streams[*position].0.keeps_what_is_committed())
            }
            CheckpointScope::Global => self.streams.iter().all(|(tables, _)| tables.keeps_what_is_committed()),
        }
    }

    fn begin(&mut self) -> Result<()> {
        if !self.connection.is_in_transaction() {
            self.connection.execute("BEGIN")?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.connection.is_in_transaction() {
            for (tables, _) in &mut self.streams {
                tables.assure(&mut self.connection)?;
            }
            self.connection.execute("COMMIT")?;
        }
        Ok(())
    }

    /// The input has ended: puts away what is not complete. Checkpoints that still wait are a failure then.
    fn finish(mut self) -> Result<()> {
        self.put_away()?;
        if self.held.is_empty() {
            return Ok(());
        }
        let unfinished: Vec<String> = self
            .streams
            .iter()
            .filter(|(tables, _)| !tables.keeps_what_is_committed())
            .map(|(tables, _)| tables.stream().to_string())
            .collect();
        Err(transient_error(format!(
            "The source did not finish {}: nothing was replaced there, and {} states that cover it are not acknowledged. Run the \
             sync again; it begins such a stream from where the last acknowledged state left it.",
            unfinished.join(", "),
            self.held.len(),
        )))
    }

    /// The sync fails: what was committed stays.
    fn abandon(mut self) {
        if !self.connection.is_usable() {
            return;
        }
        if let Err(failure) = self.put_away() {
            // The failure that led here says more, and the next sync puts it away.
            log::debug!("Not everything could be put away after the failure: {failure}");
        }
    }

    fn put_away(&mut self) -> Result<()> {
        if self.connection.is_in_transaction() {
            self.connection.execute("ROLLBACK")?;
        }
        for (tables, _) in &self.streams {
            tables.abandon(&mut self.connection)?;
        }
        Ok(())
    }

    fn position(&self, stream: &StreamName) -> Result<usize> {
        self.positions.get(stream).copied().ok_or_else(|| {
            system_error(format!(
                "The stream {stream} is not in the configured catalog, but the host gave something of it. This is a defect \
                 of the host."
            ))
            .for_stream(stream)
        })
    }
}
