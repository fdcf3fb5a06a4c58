//! When an image says it was made: never when it was, so that the same input gives the same bytes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};

/// The last second that RFC 3339 has a text for.
const LAST: u64 = 253_402_300_799;

/// Seconds since 1970: none, or what SOURCE_DATE_EPOCH says, as <https://reproducible-builds.org> has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Created(u64);

impl FromStr for Created {
    type Err = String;

    fn from_str(text: &str) -> Result<Created, String> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|seconds| digits && *seconds <= LAST);
        seconds
            .map(Created)
            .ok_or_else(|| format!("it counts seconds since 1970, from 0 to {LAST}: unset it, or mend it"))
    }
}

/// As RFC 3339 has it.
impl fmt::Display for Created {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).unwrap_or_default();
        let moment = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        formatter.write_str(&moment.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_text_of_rfc_3339_from_its_first_second_to_its_last() {
        assert_eq!(Created::default().to_string(), "1970-01-01T00:00:00Z");
        for (text, shown) in [
            ("0", "1970-01-01T00:00:00Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("253402300799", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text.parse::<Created>().unwrap().to_string(), shown);
        }
        for wrong in ["", " ", "-1", "+1", "1.5", "now", "253402300800", "99999999999999999999", "0x10", "1\n"] {
            assert!(wrong.parse::<Created>().is_err(), "{wrong:?}");
        }
    }
}
