//! Ready records of a given length: what `source-sized` writes, and natively `tests/yardstick`, which is made of this very file.
//! It must not know who writes them.

/// As many bytes of records as connectors usually write at once.
const BATCH_BYTES: usize = 256 * 1024;
/// How many batches come between two states.
pub const BATCHES_A_STATE: u64 = 16;

/// A record, as often as fits into a batch.
#[derive(Debug)]
pub struct ReadyRecords {
    /// One a line.
    lines: Vec<u8>,
    line_length: usize,
}

impl ReadyRecords {
    /// Of so many bytes, the line break not counted; a few dozen are the least.
    pub fn new(length: usize) -> ReadyRecords {
        let line = record(length) + "\n";
        let records = (BATCH_BYTES / line.len()).max(1);
        ReadyRecords { lines: line.repeat(records).into_bytes(), line_length: line.len() }
    }

    /// The next batch of those that are still to come, and how many are in it.
    pub fn batch(&self, to_come: u64) -> (&[u8], u64) {
        let full = self.lines.len() / self.line_length;
        let records = usize::try_from(to_come).map_or(full, |to_come| to_come.min(full));
        (&self.lines[..records * self.line_length], records as u64)
    }
}

/// The same kinds of fields at every length, so that the length is all that differs.
fn record(length: usize) -> String {
    const END: &str = ",\"rest\":\"\"}";
    let mut text = String::from("{\"id\":1000001");
    for number in 0.. {
        let field = match number % 4 {
            0 => format!(",\"name{number}\":\"Ada Lovelace\""),
            1 => format!(",\"amount{number}\":{number}.25"),
            2 => format!(",\"is_paid{number}\":true"),
            _ => format!(",\"note{number}\":\"It was ordered by \\\"telephone\\\", and may be late.\""),
        };
        if text.len() + field.len() + END.len() > length {
            break;
        }
        text += &field;
    }
    let rest = length.saturating_sub(text.len() + END.len());
    text + ",\"rest\":\"" + &"x".repeat(rest) + "\"}"
}
