//! How often a writer looks at the clock: at every record of a slow stream, at every sixteenth of a fast one.
//!
//! Looking costs a call to the host, which a fast stream would notice. Knows nothing of records.

use std::time::{Duration, Instant};

/// A stream that becomes slow at once is noticed after this many records at most.
const LONGEST_STRIDE: u32 = 16;
/// Looks closer than this are too close.
const CLOSE: Duration = Duration::from_millis(1);
/// Looks further apart than this are too far apart.
const FAR: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Pace {
    stride: u32,
    left: u32,
    last_look: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { stride: 1, left: 1, last_look: None }
    }
}

impl Pace {
    /// Counts a record. True when it is time to look at the clock.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.left -= 1;
        if self.left == 0 {
            self.left = self.stride;
            return true;
        }
        false
    }

    /// The clock was looked at.
    pub(crate) fn looked(&mut self, now: Instant) {
        if let Some(last_look) = self.last_look.replace(now) {
            let apart = now.saturating_duration_since(last_look);
            if apart < CLOSE {
                self.stride = (self.stride * 2).min(LONGEST_STRIDE);
            } else if apart > FAR {
                self.stride = 1;
            }
        }
        self.left = self.stride;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the records are looked at, when they come this far apart.
    fn looks(pace: &mut Pace, now: &mut Instant, records: u32, apart: Duration) -> u32 {
        let mut looks = 0;
        for _ in 0..records {
            *now += apart;
            if pace.is_due() {
                pace.looked(*now);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn a_fast_stream_seldom_looks_and_a_slow_one_always() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let fast = looks(&mut pace, &mut now, 16_000, Duration::from_micros(1));
        assert!((1_000..1_010).contains(&fast), "{fast}");
        // It becomes slow: one stride passes, then every record is looked at.
        let slow = looks(&mut pace, &mut now, 100, Duration::from_secs(1));
        assert!(slow >= 100 - LONGEST_STRIDE, "{slow}");
        assert_eq!(looks(&mut pace, &mut now, 10, Duration::from_secs(1)), 10);
    }
}
