//! Numbers that look random and are not: what is drawn for a record depends on the seed, the stream and the record's
//! number alone, so that a record is the same wherever a read starts.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The part of the randomness that a stream has to itself.
#[derive(Clone, Copy, Debug)]
pub struct StreamSeed(u64);

impl StreamSeed {
    /// The seed of a stream: from the configured one, or from the system if that is -1.
    pub fn new(seed: i64, stream: &str) -> Self {
        if seed == -1 {
            return StreamSeed(RandomState::new().build_hasher().finish());
        }
        let mut mixed = mix(seed as u64);
        for byte in stream.bytes() {
            mixed = mix(mixed ^ u64::from(byte));
        }
        StreamSeed(mixed)
    }

    /// The numbers of one record.
    pub fn record(self, number: u64) -> Random {
        Random(mix(self.0 ^ mix(number)))
    }
}

/// The numbers of one record, one after the other: SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// The step of SplitMix64: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scramble(self.0)
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u32, last: u32) -> u32 {
        let choices = u64::from(last - first) + 1;
        first + (((self.next() >> 32) * choices) >> 32) as u32
    }

    /// True in so many cases of a hundred.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of the words.
    pub fn pick(&mut self, words: &'static [&'static str]) -> &'static str {
        words[self.between(0, words.len() as u32 - 1) as usize]
    }
}

fn mix(number: u64) -> u64 {
    scramble(number.wrapping_add(STEP))
}

fn scramble(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_own_numbers() {
        let seed = StreamSeed::new(7, "users");
        let numbers = |seed: StreamSeed, record| {
            let mut random = seed.record(record);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(numbers(seed, 5), numbers(StreamSeed::new(7, "users"), 5));
        assert_ne!(numbers(seed, 5), numbers(seed, 6));
        assert_ne!(numbers(seed, 5), numbers(StreamSeed::new(7, "purchases"), 5));
        assert_ne!(numbers(seed, 5), numbers(StreamSeed::new(8, "users"), 5));
        assert_ne!(numbers(StreamSeed::new(-1, "users"), 5), numbers(StreamSeed::new(-1, "users"), 5));
    }

    #[test]
    fn both_ends_are_drawn_evenly() {
        let mut counts = [0; 5];
        let seed = StreamSeed::new(1, "users");
        for record in 0..10_000 {
            counts[seed.record(record).between(1, 5) as usize - 1] += 1;
        }
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
    }
}
