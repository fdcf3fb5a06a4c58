//! Dates and times as Airbyte's protocol writes them: ISO 8601, seconds always with six decimals, years before the first with
//! ` BC` at the end, years after 9999 with a `+`.
//!
//! The calendar is ours because PostgreSQL's goes on to the year 5874897, far beyond what crates of dates have.

use super::digits::{four, six, two};
use super::{Kept, Malformed, append_null, exactly, short_copy};

const MICROSECONDS_A_SECOND: u32 = 1_000_000;
const MICROSECONDS_A_DAY: i64 = 86_400_000_000;
/// From the first of March in a year -8000, which is divisible by 400, to 2000-01-01. The calendar repeats itself every 400
/// years, and none of PostgreSQL's dates is before that.
const DAYS_BEFORE_2000: u32 = 730_425 + 20 * 146_097;
/// The day before which PostgreSQL has no dates: 4714-11-24 BC.
const FIRST_DAY: i32 = -2_451_545;
/// PostgreSQL's offsets are below this.
const MOST_OFFSET: i32 = 16 * 3600;

/// `"2004-10-19"`.
pub fn append_date(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let days = i32::from_be_bytes(exactly(binary, "a date has not four bytes")?);
    if days == i32::MAX || days == i32::MIN {
        return Ok(append_null(json));
    }
    let date = Date::of(days)?;
    json.push(b'"');
    date.append(json);
    date.append_era(json);
    json.push(b'"');
    Ok(Kept::Whole)
}

/// `"10:23:54.000000"`.
pub fn append_time(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let time = time_of_day(exactly(binary, "a time has not eight bytes")?)?;
    json.push(b'"');
    append_time_of_day(time, json);
    json.push(b'"');
    Ok(Kept::Whole)
}

/// `"10:23:54.000000+02:00"`, with the offset that it was given.
pub fn append_timetz(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let [t1, t2, t3, t4, t5, t6, t7, t8, west @ ..] =
        exactly::<12>(binary, "a time with time zone has not twelve bytes")?;
    let time = time_of_day([t1, t2, t3, t4, t5, t6, t7, t8])?;
    let west = i32::from_be_bytes(west);
    if west <= -MOST_OFFSET || west >= MOST_OFFSET {
        return Err(Malformed("the offset of a time with time zone is more than there can be"));
    }
    json.push(b'"');
    append_time_of_day(time, json);
    append_offset(west, json);
    json.push(b'"');
    Ok(Kept::Whole)
}

/// `"2004-10-19T10:23:54.000000"`.
pub fn append_timestamp(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    append_moment(binary, "", json)
}

/// `"2004-10-19T10:23:54.000000Z"`.
pub fn append_timestamptz(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    append_moment(binary, "Z", json)
}

#[inline]
fn append_moment(binary: &[u8], zone: &str, json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let microseconds = i64::from_be_bytes(exactly(binary, "a timestamp has not eight bytes")?);
    if microseconds == i64::MAX || microseconds == i64::MIN {
        return Ok(append_null(json));
    }
    // Sure to fit: i64 has microseconds for 107 million days on either side.
    let days = microseconds.div_euclid(MICROSECONDS_A_DAY) as i32;
    let date = Date::of(days)?;
    json.push(b'"');
    date.append(json);
    json.push(b'T');
    append_time_of_day(microseconds.rem_euclid(MICROSECONDS_A_DAY) as u64, json);
    short_copy::append(zone.as_bytes(), json);
    date.append_era(json);
    json.push(b'"');
    Ok(Kept::Whole)
}

/// A day of the Gregorian calendar, which PostgreSQL continues into the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    /// 0 is 1 BC.
    year: i32,
    month: u32,
    day: u32,
}

impl Date {
    /// The day so many days after 2000-01-01. Years are counted from March here, so that the leap day is their last.
    #[inline]
    fn of(days: i32) -> Result<Date, Malformed> {
        if days < FIRST_DAY {
            return Err(Malformed("a date is before the first that there can be"));
        }
        let days = DAYS_BEFORE_2000.wrapping_add_signed(days);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let (month, next_year) =
            if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
        let year = (era * 400 + year_of_era + next_year) as i32 - 8000;
        Ok(Date { year, month, day })
    }

    /// Without the era.
    #[inline]
    fn append(self, json: &mut Vec<u8>) {
        let year = if self.year > 0 { self.year } else { 1 - self.year };
        if year > 9999 {
            json.push(b'+');
            short_copy::append(itoa::Buffer::new().format(year / 10_000).as_bytes(), json);
        }
        let [y1, y2, y3, y4] = four(year as u32 % 10_000);
        let [m1, m2] = two(self.month);
        let [d1, d2] = two(self.day);
        json.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
    }

    #[inline]
    fn append_era(self, json: &mut Vec<u8>) {
        if self.year <= 0 {
            json.extend_from_slice(b" BC");
        }
    }
}

/// Microseconds since midnight.
fn time_of_day(binary: [u8; 8]) -> Result<u64, Malformed> {
    match i64::from_be_bytes(binary) {
        // ISO 8601 and most destinations have no 24:00:00: the last moment of the day, as Airbyte has it.
        MICROSECONDS_A_DAY => Ok(MICROSECONDS_A_DAY as u64 - 1),
        time @ 0..MICROSECONDS_A_DAY => Ok(time as u64),
        _ => Err(Malformed("a time is not within a day")),
    }
}

#[inline]
fn append_time_of_day(microseconds: u64, json: &mut Vec<u8>) {
    // A million is 64 times 15625; without the 64, a day's microseconds fit in 32 bits, which divide faster.
    let seconds = (microseconds >> 6) as u32 / (MICROSECONDS_A_SECOND >> 6);
    let fraction = (microseconds - u64::from(seconds) * u64::from(MICROSECONDS_A_SECOND)) as u32;
    let [h1, h2] = two(seconds / 3600);
    let [m1, m2] = two(seconds / 60 % 60);
    let [s1, s2] = two(seconds % 60);
    let [f1, f2, f3, f4, f5, f6] = six(fraction);
    json.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2, b'.', f1, f2, f3, f4, f5, f6]);
}

/// PostgreSQL counts offsets to the west, ISO 8601 to the east.
fn append_offset(west: i32, json: &mut Vec<u8>) {
    if west == 0 {
        json.push(b'Z');
        return;
    }
    json.push(if west > 0 { b'-' } else { b'+' });
    let seconds = west.unsigned_abs();
    json.extend_from_slice(&two(seconds / 3600));
    json.push(b':');
    json.extend_from_slice(&two(seconds / 60 % 60));
    match seconds % 60 {
        0 => {}
        seconds => {
            json.push(b':');
            json.extend_from_slice(&two(seconds));
        }
    }
}
