//! Durations as ISO 8601 writes them: `PT1M`, `P1DT2H`.

use std::time::Duration;

/// A year has 365 days here and a month 30: nothing that is waited for is so long.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim().strip_prefix('P')?;
    let (days, time) = text.split_once('T').map_or((text, None), |(days, time)| (days, Some(time)));
    let seconds = fields(days, &[('Y', 31_536_000.0), ('M', 2_592_000.0), ('W', 604_800.0), ('D', 86_400.0)])?
        + time.map_or(Some(0.0), |time| fields(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)]))?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn fields(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut seconds = 0.0;
    for (unit, length) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            seconds += number.replace(',', ".").parse::<f64>().ok().filter(|number| *number >= 0.0)? * length;
            text = rest;
        }
    }
    text.is_empty().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let seconds = |text: &str| parse(text).map(|duration| duration.as_secs_f64());
        for (text, expected) in
            [("PT1M", 60.0), ("P1DT2H", 93_600.0), ("PT0.5S", 0.5), ("P2W", 1_209_600.0), ("P1M", 2_592_000.0)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for wrong in ["", "1M", "PX", "PT1", "PT-1M", "P1H"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
