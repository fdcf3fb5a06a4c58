//! How long a command may take, as people write and read it. Knows nothing of what happens then.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// So much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeLimit(pub Duration);

impl FromStr for TimeLimit {
    type Err = String;

    /// A number of seconds, or of one of the units: s, m, h.
    fn from_str(text: &str) -> Result<TimeLimit, String> {
        let problem =
            || format!("{text:?} is no time. Write a number of seconds, or one with its unit, as in 90s, 15m or 2h");
        let text = text.trim();
        let (number, seconds) = match text.as_bytes().last() {
            Some(b's') => (&text[..text.len() - 1], 1),
            Some(b'm') => (&text[..text.len() - 1], 60),
            Some(b'h') => (&text[..text.len() - 1], 3600),
            _ => (text, 1),
        };
        let number: u32 = number.trim_end().parse().map_err(|_| problem())?;
        if number == 0 {
            return Err("0 leaves no time at all: leave the limit out if there is to be none".to_owned());
        }
        Ok(TimeLimit(Duration::from_secs(u64::from(number) * seconds)))
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (number, unit) = match seconds {
            _ if seconds.is_multiple_of(3600) => (seconds / 3600, "hour"),
            _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
            _ => (seconds, "second"),
        };
        let plural = if number == 1 { "" } else { "s" };
        write!(formatter, "{number} {unit}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("90", 90, "90 seconds"),
            ("1s", 1, "1 second"),
            ("60s", 60, "1 minute"),
            (" 15 m ", 900, "15 minutes"),
            ("2h", 7200, "2 hours"),
            ("4294967295h", 15_461_882_262_000, "4294967295 hours"),
        ] {
            let limit: TimeLimit = text.parse().unwrap();
            assert_eq!((limit.0.as_secs(), limit.to_string().as_str()), (seconds, shown), "{text}");
        }
        for bad in ["", "0", "0s", "s", "1.5h", "-1", "1d", "1h30m", "99999999999", "ten", "5\u{e4}"] {
            assert!(bad.parse::<TimeLimit>().is_err(), "{bad}");
        }
    }
}
