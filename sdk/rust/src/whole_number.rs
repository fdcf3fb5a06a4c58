//! A number of a configuration that JSON Schema takes for an integer. Knows no option.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

use crate::failure::{Result, config_error};

/// A whole number, however JSON writes it: for JSON Schema, `1e7` and `5.0` are integers as well, and serde's integers
/// refuse them. Of a fraction, where a specification says `number`, it is the whole part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "Number")]
pub struct WholeNumber(i64);

impl From<Number> for WholeNumber {
    fn from(number: Number) -> Self {
        WholeNumber(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64))
    }
}

impl WholeNumber {
    /// The number, if it is within these limits; `u64::MAX` is none. The error names the option.
    pub fn within(self, option: &str, first: u64, last: u64) -> Result<u64> {
        match u64::try_from(self.0) {
            Ok(number) if (first..=last).contains(&number) => Ok(number),
            _ if last == u64::MAX => {
                Err(config_error(format!("{option} is {}: give {first} or a larger number.", self.0)))
            }
            _ => Err(config_error(format!("{option} is {}: give a number from {first} to {last}.", self.0))),
        }
    }

    /// The number, whatever it is.
    pub fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        for (text, number) in [("5", 5), ("5.0", 5), ("1e7", 10_000_000), ("2.9", 2), ("-3", -3), ("1e300", i64::MAX)] {
            assert_eq!(serde_json::from_str::<WholeNumber>(text).unwrap().get(), number, "{text}");
        }
        assert!(serde_json::from_str::<WholeNumber>("\"5\"").is_err());
    }

    #[test]
    fn limits_are_told() {
        let number = |number| WholeNumber(number).within("count", 1, 10).map_err(|failure| failure.message);
        assert_eq!((number(1), number(10)), (Ok(1), Ok(10)));
        assert_eq!(number(11), Err("count is 11: give a number from 1 to 10.".to_owned()));
        let negative = WholeNumber(-1).within("count", 0, u64::MAX).unwrap_err();
        assert_eq!(negative.message, "count is -1: give 0 or a larger number.");
    }
}
