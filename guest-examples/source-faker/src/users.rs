//! The stream `users`.

use crate::random::{Random, StreamSeed};
use crate::timestamp::Timestamp;
use crate::words;

/// The year 2000 begins.
const FIRST_TIME: i64 = 946_684_800;
/// From there to the end of 2025, in seconds.
const TIMES: u32 = 820_540_799;

/// Makes users, each from its number alone.
pub struct Users {
    seed: StreamSeed,
    /// The user at hand: one buffer serves all.
    json: String,
}

impl Users {
    /// The users of a seed.
    pub fn new(seed: i64) -> Self {
        Users { seed: StreamSeed::new(seed, "users"), json: String::with_capacity(1024) }
    }

    /// The user of an id, counted from 1, as of now: a JSON object.
    ///
    /// Put together by hand, which takes half the time of a derived serializer: benchmarks read this stream, and
    /// no word of it needs escaping. Purchases show the usual way.
    pub fn user(&mut self, id: u64, now: Timestamp) -> &str {
        let random = &mut self.seed.record(id);
        let json = &mut self.json;
        json.clear();
        json.push_str("{\"id\":");
        push_digits(json, id, 1);
        json.push_str(",\"created_at\":\"");
        any_time(random).push_to(json);
        json.push_str("\",\"updated_at\":\"");
        now.push_to(json);
        json.push_str("\",\"name\":\"");
        json.push_str(random.pick(words::FIRST_NAMES));
        json.push_str("\",\"title\":\"");
        json.push_str(random.pick(words::TITLES));
        json.push_str("\",\"age\":");
        push_digits(json, u64::from(random.between(16, 66)), 2);
        json.push_str(",\"email\":\"");
        push_email(json, id, random);
        json.push_str("\",\"telephone\":\"");
        push_telephone(json, random);
        json.push_str("\",\"gender\":\"");
        json.push_str(random.pick(words::GENDERS));
        json.push_str("\",\"language\":\"");
        json.push_str(random.pick(words::LANGUAGES));
        json.push_str("\",\"academic_degree\":\"");
        json.push_str(random.pick(words::ACADEMIC_DEGREES));
        json.push_str("\",\"nationality\":\"");
        json.push_str(random.pick(words::NATIONALITIES));
        json.push_str("\",\"occupation\":\"");
        json.push_str(random.pick(words::OCCUPATIONS));
        json.push_str("\",\"height\":\"");
        let height = u64::from(random.between(150, 200));
        push_digits(json, height / 100, 1);
        json.push('.');
        push_digits(json, height % 100, 2);
        json.push_str("\",\"blood_type\":\"");
        json.push_str(random.pick(words::BLOOD_TYPES));
        json.push_str("\",\"weight\":");
        push_digits(json, u64::from(random.between(38, 90)), 2);
        json.push_str(",\"address\":{\"street_number\":\"");
        push_digits(json, u64::from(random.between(1, 1400)), 1);
        json.push_str("\",\"street_name\":\"");
        json.push_str(random.pick(words::STREETS));
        json.push_str("\",\"city\":\"");
        json.push_str(random.pick(words::CITIES));
        json.push_str("\",\"state\":\"");
        json.push_str(random.pick(words::STATES));
        json.push_str("\",\"province\":\"");
        json.push_str(random.pick(words::STATES));
        json.push_str("\",\"postal_code\":\"");
        push_digits(json, u64::from(random.between(0, 99_999)), 5);
        json.push_str("\",\"country_code\":\"");
        json.push_str(random.pick(words::COUNTRY_CODES));
        json.push_str("\"}}");
        json
    }
}

/// Any second of the years 2000 to 2025. Not until today: a user must be the same tomorrow.
pub fn any_time(random: &mut Random) -> Timestamp {
    Timestamp::from_unix_seconds(FIRST_TIME + i64::from(random.between(0, TIMES)))
}

/// An address that nobody else has: the id is in it.
fn push_email(text: &mut String, id: u64, random: &mut Random) {
    text.push_str(random.pick(words::EMAIL_WORDS));
    push_digits(text, u64::from(random.between(1800, 2099)), 4);
    text.push('+');
    push_digits(text, id, 1);
    text.push('@');
    text.push_str(random.pick(words::EMAIL_DOMAINS));
}

/// A number in one of the ways in which Americans write theirs.
fn push_telephone(text: &mut String, random: &mut Random) {
    let (before, after_area, after_exchange) = match random.between(0, 4) {
        0 => ("(", ") ", "-"),
        1 => ("+1-(", ")-", "-"),
        2 => ("1-", "-", "-"),
        3 => ("", ".", "."),
        _ => ("", "-", "-"),
    };
    text.push_str(before);
    push_digits(text, u64::from(random.between(200, 999)), 3);
    text.push_str(after_area);
    push_digits(text, u64::from(random.between(0, 999)), 3);
    text.push_str(after_exchange);
    push_digits(text, u64::from(random.between(0, 9999)), 4);
}

/// The number's digits, with zeros before them up to a width.
fn push_digits(text: &mut String, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 || digits.len() - start < width {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text.push_str(std::str::from_utf8(&digits[start..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn user(seed: i64, id: u64) -> Value {
        serde_json::from_str(Users::new(seed).user(id, NOW)).unwrap()
    }

    #[test]
    fn a_user_is_the_same_wherever_a_read_begins() {
        let mut users = Users::new(1);
        for id in 1..=50 {
            assert_eq!(serde_json::from_str::<Value>(users.user(id, NOW)).unwrap(), user(1, id));
        }
        assert_ne!(user(1, 7)["telephone"], user(2, 7)["telephone"]);
    }

    #[test]
    fn a_user_looks_like_airbytes() {
        for id in 1..=500 {
            let user = user(1, id);
            let text = |field: &str| user[field].as_str().unwrap_or_default().to_owned();
            assert!(text("email").contains(&format!("+{id}@example.")));
            assert!((2000..=2025).contains(&text("created_at")[..4].parse::<u32>().unwrap()));
            assert_eq!(text("updated_at"), "2026-01-01T00:00:00+00:00");
            let height: f64 = text("height").parse().unwrap();
            assert!((1.5..=2.0).contains(&height) && text("height").len() == 4);
            assert_eq!(
                text("telephone").matches(|c: char| c.is_ascii_digit()).count(),
                if text("telephone").contains("1-") && text("telephone").find("1-") <= Some(1) { 11 } else { 10 }
            );
            let address = &user["address"];
            assert_eq!(address["postal_code"].as_str().unwrap().len(), 5);
            assert_ne!(address["street_number"].as_str().unwrap(), "0");
            assert_eq!(address["country_code"].as_str().unwrap().len(), 2);
        }
    }

    #[test]
    fn digits() {
        let mut text = String::new();
        push_digits(&mut text, 0, 1);
        push_digits(&mut text, 42, 5);
        push_digits(&mut text, u64::MAX, 1);
        assert_eq!(text, "00004218446744073709551615");
    }
}
