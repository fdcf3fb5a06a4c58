//! Sizes of memory as people write and read them: 512MiB, 1.5GB. Knows nothing of what they are for.

use std::fmt;
use std::str::FromStr;

/// So many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize(pub usize);

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;
const GIB: f64 = 1024.0 * MIB;
const TIB: f64 = 1024.0 * GIB;

/// What a unit, in small letters, stands for.
fn bytes_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "b" => 1.0,
        "k" | "kib" => KIB,
        "m" | "mib" => MIB,
        "g" | "gib" => GIB,
        "t" | "tib" => TIB,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return None,
    })
}

impl FromStr for MemorySize {
    type Err = String;

    /// A number of bytes, or of one of the units: KB, MB, GB, TB (of thousands) and KiB, MiB, GiB, TiB or K, M, G, T (of 1024).
    fn from_str(text: &str) -> Result<MemorySize, String> {
        let problem =
            || format!("{text:?} is no size. Write a number of bytes, or one with its unit, as in 512MiB or 1.5GB");
        let trimmed = text.trim();
        let digits =
            trimmed.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let bytes = bytes_of(&unit.trim().to_ascii_lowercase()).ok_or_else(problem)?;
        let number: f64 = number.parse().map_err(|_| problem())?;
        let size = number * bytes;
        // What no machine has is as good as no limit, but it was most likely not meant.
        if !(1.0..=1e18).contains(&size) {
            return Err(format!("{text:?} is no size that a limit can have"));
        }
        Ok(MemorySize(size as usize))
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (number, unit) = match bytes {
            ..KIB => return write!(formatter, "{} bytes", self.0),
            ..MIB => (bytes / KIB, "KiB"),
            ..GIB => (bytes / MIB, "MiB"),
            _ => (bytes / GIB, "GiB"),
        };
        // A digit after the point where it says something.
        let rounded = (number * 10.0).round() / 10.0;
        write!(formatter, "{rounded} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("1000", 1000, "1000 bytes"),
            ("512MiB", 512 << 20, "512 MiB"),
            ("512m", 512 << 20, "512 MiB"),
            ("2 GiB", 2 << 30, "2 GiB"),
            ("1.5GB", 1_500_000_000, "1.4 GiB"),
            ("1.5GiB", 3 << 29, "1.5 GiB"),
            ("64kB", 64_000, "62.5 KiB"),
            ("1t", 1 << 40, "1024 GiB"),
            ("7 b", 7, "7 bytes"),
        ] {
            let size: MemorySize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
        }
        for bad in ["", "MiB", "-1", "0", "0.1", "1.2.3", "12XB", "1e3", "9999999TB", "nan", "inf", ".", "5 5"] {
            assert!(bad.parse::<MemorySize>().is_err(), "{bad}");
        }
        assert!("much".parse::<MemorySize>().unwrap_err().contains("512MiB"));
    }
}
