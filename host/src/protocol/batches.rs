//! Records on their way to a destination, gathered by stream: a source that alternates between streams must not mean
//! batches of one record. Order is kept within a stream. Knows nothing of where records come from or go to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use memchr::memchr;

use super::output::StreamIndex;
use super::record_lines::Annotation;

/// A stream's batch leaves before it holds more than this; a larger record leaves alone.
const BATCH_BYTES: usize = 256 * 1024;

/// All batches leave when they hold this much together: memory is bounded, however many streams there are.
const TOTAL_BYTES: usize = 4 * 1024 * 1024;

/// So many batches at once may have room for more than they hold.
const MOST_ROOMY: usize = TOTAL_BYTES / BATCH_BYTES;

/// No record is held back for longer: a slow source must not look dead to whoever waits for its records.
pub const MAX_AGE: Duration = Duration::from_secs(1);

/// Records of one stream, in their order.
#[derive(Debug, Default)]
pub struct RecordBatch {
    /// The stream.
    pub stream: StreamIndex,
    /// One JSON object a line, each with its line break.
    pub records: Vec<u8>,
    /// When each was read, in milliseconds since 1970.
    pub emitted_at: Vec<i64>,
    /// What else is said of some of them, in their order.
    pub annotations: Vec<Annotation>,
}

impl RecordBatch {
    /// About how many bytes this holds on to.
    pub fn weight(&self) -> usize {
        let annotations = self.annotations.iter().map(Annotation::weight).sum::<usize>();
        self.records.len() + size_of_val(self.emitted_at.as_slice()) + annotations
    }

    /// Cuts the batch after about `max_bytes`, but at least one record, and gives what comes after.
    pub fn split_off(&mut self, max_bytes: usize) -> Option<RecordBatch> {
        if self.records.len() <= max_bytes || self.emitted_at.len() == 1 {
            return None;
        }
        let mut bytes = 0;
        let mut count = 0;
        while bytes < self.records.len() {
            let line = memchr(b'\n', &self.records[bytes..]).map_or(self.records.len() - bytes, |end| end + 1);
            if count > 0 && bytes + line > max_bytes {
                break;
            }
            bytes += line;
            count += 1;
        }
        if bytes >= self.records.len() {
            return None;
        }
        let first_annotation = self.annotations.partition_point(|annotation| annotation.index < count);
        let mut annotations = self.annotations.split_off(first_annotation);
        for annotation in &mut annotations {
            annotation.index -= count;
        }
        Some(RecordBatch {
            stream: self.stream,
            records: self.records.split_off(bytes),
            emitted_at: self.emitted_at.split_off(count),
            annotations,
        })
    }
}

/// The batches that are being gathered.
#[derive(Default)]
pub struct Batches {
    /// Of each stream, as far as any has had a record.
    streams: Vec<OpenBatch>,
    /// The streams whose batches have records, by when the first of these came: the first in front.
    order: BTreeMap<u64, StreamIndex>,
    next_place: u64,
    weight: usize,
    /// When the first record of all that are held came.
    since: Option<Instant>,
}

#[derive(Default)]
struct OpenBatch {
    batch: RecordBatch,
    /// Kept as it grows: to count it anew for each record would take long. None where there is no record.
    weight: usize,
    /// Its place in `order`.
    place: u64,
    /// How many bytes of records the stream's batch before had: a guess of what this one will have.
    expected: usize,
}

impl Batches {
    /// Adds a record: its JSON on one line, without a line break. Gives what must leave now.
    pub fn add(
        &mut self,
        stream: StreamIndex,
        record: &str,
        emitted_at: i64,
        annotation: Option<Annotation>,
    ) -> Vec<RecordBatch> {
        let added = record.len() + 1 + size_of::<i64>() + annotation.as_ref().map_or(0, Annotation::weight);
        let mut leaving = Vec::new();
        if self.streams.len() <= stream {
            self.streams.resize_with(stream + 1, OpenBatch::default);
        }
        // Before it is too large, so that it fits what was asked for and need not be cut.
        if self.streams[stream].weight + added > BATCH_BYTES {
            leaving.extend(self.take(stream));
        }
        let open = &mut self.streams[stream];
        if open.weight == 0 {
            self.next_place += 1;
            open.place = self.next_place;
            open.batch.stream = stream;
            self.order.insert(open.place, stream);
            self.since.get_or_insert_with(Instant::now);
            // A buffer that grows with each record is copied again and again. Of many streams most have few records.
            if self.order.len() <= MOST_ROOMY {
                open.batch.records.reserve(open.expected);
            }
        }
        let batch = &mut open.batch;
        if let Some(mut annotation) = annotation {
            annotation.index = batch.emitted_at.len();
            batch.annotations.push(annotation);
        }
        batch.records.reserve(record.len() + 1);
        batch.records.extend_from_slice(record.as_bytes());
        batch.records.push(b'\n');
        batch.emitted_at.push(emitted_at);
        open.weight += added;
        self.weight += added;
        if open.weight >= BATCH_BYTES {
            leaving.extend(self.take(stream));
        } else if self.weight >= TOTAL_BYTES {
            leaving.extend(self.take_all());
        }
        leaving
    }

    /// The batch of one stream, if it has one.
    pub fn take(&mut self, stream: StreamIndex) -> Option<RecordBatch> {
        let open = self.streams.get_mut(stream).filter(|open| open.weight > 0)?;
        let expected = open.batch.records.len().min(BATCH_BYTES);
        let OpenBatch { mut batch, weight, place, .. } =
            std::mem::replace(open, OpenBatch { expected, ..OpenBatch::default() });
        if batch.records.capacity() > 2 * batch.records.len() {
            // It counts for what is in it while it waits in the queue, and so should take no more.
            batch.records.shrink_to_fit();
        }
        self.order.remove(&place);
        self.weight -= weight;
        if self.order.is_empty() {
            self.since = None;
        }
        Some(batch)
    }

    /// Every batch, in the order of their first records.
    pub fn take_all(&mut self) -> Vec<RecordBatch> {
        let order: Vec<StreamIndex> = self.order.values().copied().collect();
        order.into_iter().filter_map(|stream| self.take(stream)).collect()
    }

    /// How long until a record will have been held for `MAX_AGE`; none while there is no record.
    pub fn time_left(&self) -> Option<Duration> {
        self.since.map(|since| MAX_AGE.saturating_sub(since.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_streams_are_regrouped_in_order() {
        let mut batches = Batches::default();
        for number in 0..6 {
            assert!(batches.add(1 - number % 2, &format!("{{\"n\":{number}}}"), number as i64, None).is_empty());
        }
        let taken = batches.take_all();
        assert_eq!(taken.iter().map(|batch| batch.stream).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(taken[0].records, b"{\"n\":0}\n{\"n\":2}\n{\"n\":4}\n");
        assert_eq!(taken[1].emitted_at, [1, 3, 5]);
        assert!(batches.time_left().is_none() && batches.take(0).is_none());
    }

    #[test]
    fn a_batch_leaves_when_it_is_full_and_all_when_they_are_too_much_together() {
        let mut batches = Batches::default();
        let record = format!("{{\"text\":\"{}\"}}", "x".repeat(BATCH_BYTES / 2));
        assert!(batches.add(0, &record, 0, None).is_empty());
        // Two are too much for one batch, and what is too much for any leaves alone.
        let left = batches.add(0, &record, 1, None);
        assert_eq!(left.iter().map(|batch| batch.emitted_at.as_slice()).collect::<Vec<_>>(), [[0]]);
        let left = batches.add(0, &record.repeat(3), 2, None);
        assert_eq!(left.iter().map(|batch| batch.emitted_at.as_slice()).collect::<Vec<_>>(), [[1], [2]]);
        assert!(batches.time_left().is_none());
        let left: Vec<usize> = (0..TOTAL_BYTES / record.len() + 1)
            .map(|stream| batches.add(stream, &record, 0, None).len())
            .filter(|count| *count > 0)
            .collect();
        assert_eq!(left.len(), 1);
        assert!(left[0] > 10);
    }

    #[test]
    fn a_batch_is_cut_at_records_and_annotations_follow() {
        let mut batches = Batches::default();
        for number in 0..3 {
            batches.add(0, &format!("{{\"n\":{number}}}"), number, Some(Annotation::default()));
        }
        let mut batch = batches.take(0).unwrap();
        let mut rest = batch.split_off(1).unwrap();
        assert_eq!((batch.records.as_slice(), batch.emitted_at.as_slice()), (&b"{\"n\":0}\n"[..], &[0][..]));
        assert_eq!(rest.annotations.iter().map(|annotation| annotation.index).collect::<Vec<_>>(), [0, 1]);
        let last = rest.split_off(8).unwrap();
        assert_eq!((rest.emitted_at, last.emitted_at.as_slice()), (vec![1], &[2][..]));
        assert_eq!(last.annotations[0].index, 0);
    }
}
