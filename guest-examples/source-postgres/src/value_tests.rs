//! Tests of `values`. Not in it, for tests/yardstick is made of its files as well, without the crates that are compared with
//! here.

use jiff::ToSpan;
use jiff::civil::{DateTime, datetime};
use proptest::prelude::*;

use crate::values::*;

fn json_of(form: &BinaryForm, binary: &[u8]) -> Result<(String, Kept), Malformed> {
    let mut json = b"before ".to_vec();
    let kept = form.append_json(binary, &mut json)?;
    let json = String::from_utf8(json).unwrap();
    Ok((json.strip_prefix("before ").unwrap().to_owned(), kept))
}

/// The JSON of a value that is kept whole.
fn whole(form: &BinaryForm, binary: &[u8]) -> String {
    let (json, kept) = json_of(form, binary).unwrap();
    assert_eq!(kept, Kept::Whole, "{form:?}");
    json
}

fn is_nulled(form: &BinaryForm, binary: &[u8]) -> bool {
    json_of(form, binary).unwrap() == ("null".to_owned(), Kept::Nulled)
}

fn array_of(form: BinaryForm) -> BinaryForm {
    BinaryForm::Array(Box::new(form))
}

/// `numeric` as the server sends it.
fn numeric(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
    let header = [groups.len() as u16, weight as u16, sign, scale];
    header.iter().chain(groups).flat_map(|word| word.to_be_bytes()).collect()
}

/// An array as the server sends it: lengths of its dimensions, and elements.
fn array(dimensions: &[i32], elements: &[Option<&[u8]>]) -> Vec<u8> {
    let mut binary = Vec::new();
    for number in [dimensions.len() as i32, i32::from(elements.contains(&None)), 23] {
        binary.extend(number.to_be_bytes());
    }
    for length in dimensions {
        binary.extend(length.to_be_bytes());
        // Where its first index starts.
        binary.extend((-5_i32).to_be_bytes());
    }
    for element in elements {
        match element {
            Some(element) => {
                binary.extend((element.len() as i32).to_be_bytes());
                binary.extend(*element);
            }
            None => binary.extend((-1_i32).to_be_bytes()),
        }
    }
    binary
}

#[test]
fn truth_values_and_whole_numbers() {
    assert_eq!(whole(&BinaryForm::Boolean, &[0]), "false");
    assert_eq!(whole(&BinaryForm::Boolean, &[1]), "true");
    assert_eq!(whole(&BinaryForm::Int2, &i16::MIN.to_be_bytes()), "-32768");
    assert_eq!(whole(&BinaryForm::Int4, &i32::MAX.to_be_bytes()), "2147483647");
    assert_eq!(whole(&BinaryForm::Int8, &i64::MIN.to_be_bytes()), "-9223372036854775808");
    assert_eq!(whole(&BinaryForm::Oid, &3_000_000_000_u32.to_be_bytes()), "3000000000");
}

#[test]
fn floating_point_numbers_have_the_shortest_digits() {
    for (number, json) in
        [(3.4145, "3.4145"), (0.1, "0.1"), (-2.0, "-2.0"), (1e20, "1e20"), (f32::MIN_POSITIVE, "1.1754944e-38")]
    {
        assert_eq!(whole(&BinaryForm::Float4, &f32::to_be_bytes(number)), json);
    }
    for (number, json) in [
        (1_234_567_890.123_456_7, "1234567890.1234567"),
        (123.0, "123.0"),
        (1e300, "1e300"),
        (-5e-324, "-5e-324"),
        (0.1 + 0.2, "0.30000000000000004"),
    ] {
        assert_eq!(whole(&BinaryForm::Float8, &f64::to_be_bytes(number)), json);
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(is_nulled(&BinaryForm::Float8, &number.to_be_bytes()));
        assert!(is_nulled(&BinaryForm::Float4, &(number as f32).to_be_bytes()));
    }
}

#[test]
fn numerics_keep_every_digit_and_their_scale() {
    for (binary, json) in [
        (numeric(0, 0, 0, &[]), "0"),
        (numeric(0, 0, 2, &[]), "0.00"),
        (numeric(0, 0, 0, &[33]), "33"),
        (numeric(0, 0, 2, &[123]), "123.00"),
        (numeric(0, 0x4000, 3, &[33, 3450]), "-33.345"),
        (numeric(1, 0, 0, &[7]), "70000"),
        (numeric(2, 0, 7, &[12, 3456, 7890, 1234, 5670]), "1234567890.1234567"),
        (numeric(-1, 0, 1, &[1000]), "0.1"),
        (numeric(-1, 0, 4, &[1]), "0.0001"),
        (numeric(-2, 0x4000, 8, &[1]), "-0.00000001"),
        (numeric(-3, 0, 12, &[9999]), "0.000000009999"),
        (numeric(1, 0, 5, &[1, 0, 1, 2000]), "10000.00012"),
    ] {
        assert_eq!(whole(&BinaryForm::Numeric, &binary), json);
    }
    assert_eq!(whole(&BinaryForm::Numeric, &numeric(32_767, 0, 0, &[1000])).len(), 131_072);
    for sign in [0xC000, 0xD000, 0xF000] {
        assert!(is_nulled(&BinaryForm::Numeric, &numeric(0, sign, 0, &[])));
    }
    for broken in [
        numeric(0, 1, 0, &[1]),
        numeric(0, 0, 0x4000, &[1]),
        numeric(0, 0, 0, &[10_000]),
        numeric(0, 0, 0, &[1])[..9].to_vec(),
        [numeric(0, 0, 0, &[1]), vec![0]].concat(),
        vec![0; 7],
    ] {
        assert!(json_of(&BinaryForm::Numeric, &broken).is_err());
    }
}

#[test]
fn texts_are_escaped_where_json_wants_it() {
    for (text, json) in [
        ("", r#""""#),
        ("a", r#""a""#),
        ("exactly sixteen!", r#""exactly sixteen!""#),
        ("{asb12}   ", r#""{asb12}   ""#),
        ("seventeen letters, and a \" at the end\"", r#""seventeen letters, and a \" at the end\"""#),
        ("back\\slash", r#""back\\slash""#),
        ("line\nbreak\ttab\u{1}\u{7f}", "\"line\\nbreak\\ttab\\u0001\u{7f}\""),
        ("Grüße, 世界 🌍", "\"Grüße, 世界 🌍\""),
    ] {
        assert_eq!(whole(&BinaryForm::Text, text.as_bytes()), json);
        assert_eq!(whole(&BinaryForm::Jsonb, &[b"\x01", text.as_bytes()].concat()), json);
    }
    assert!(json_of(&BinaryForm::Jsonb, b"\x02{}").is_err());
    assert!(json_of(&BinaryForm::Jsonb, b"").is_err());
    let latin1 = json_of(&BinaryForm::Text, b"caf\xe9 \"x\"").unwrap();
    assert_eq!(latin1, ("\"caf\u{fffd} \\\"x\\\"\"".to_owned(), Kept::Replaced));
}

#[test]
fn bytes_are_hexadecimal() {
    assert_eq!(whole(&BinaryForm::Bytea, &[0x12, 0x34, 0xff, 0]), r#""\\x1234ff00""#);
    assert_eq!(whole(&BinaryForm::Bytea, &[]), r#""\\x""#);
    let uuid: Vec<u8> = (0xF0..=0xFF).collect();
    assert_eq!(whole(&BinaryForm::Uuid, &uuid), r#""f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff""#);
}

#[test]
fn dates() {
    for (days, json) in [
        (0, "2000-01-01"),
        (-1, "1999-12-31"),
        (-358, "1999-01-08"),
        (59, "2000-02-29"),
        (2_921_939, "9999-12-31"),
        (2_921_940, "+10000-01-01"),
        (2_145_031_948, "+5874897-12-31"),
        (-730_119, "0001-01-01"),
        (-730_120, "0001-12-31 BC"),
        (-1_457_277, "1991-02-10 BC"),
        (-2_451_545, "4714-11-24 BC"),
    ] {
        assert_eq!(whole(&BinaryForm::Date, &i32::to_be_bytes(days)), format!("\"{json}\""), "{days}");
    }
    assert!(is_nulled(&BinaryForm::Date, &i32::MAX.to_be_bytes()));
    assert!(is_nulled(&BinaryForm::Date, &i32::MIN.to_be_bytes()));
    assert!(json_of(&BinaryForm::Date, &(-2_451_546_i32).to_be_bytes()).is_err());
}

#[test]
fn times_have_six_decimals() {
    for (time, json) in [
        (0, "00:00:00.000000"),
        (46_801_010_000, "13:00:01.010000"),
        (86_399_999_999, "23:59:59.999999"),
        (86_400_000_000, "23:59:59.999999"),
    ] {
        assert_eq!(whole(&BinaryForm::Time, &i64::to_be_bytes(time)), format!("\"{json}\""));
        for (west, offset) in
            [(0, "Z"), (7 * 3600, "-07:00"), (-8 * 3600, "+08:00"), (-19_800, "+05:30"), (57_599, "-15:59:59")]
        {
            let binary = [&i64::to_be_bytes(time)[..], &i32::to_be_bytes(west)].concat();
            assert_eq!(whole(&BinaryForm::TimeTz, &binary), format!("\"{json}{offset}\""));
        }
    }
    assert!(json_of(&BinaryForm::Time, &86_400_000_001_i64.to_be_bytes()).is_err());
    assert!(json_of(&BinaryForm::Time, &(-1_i64).to_be_bytes()).is_err());
    let too_far = [&0_i64.to_be_bytes()[..], &57_600_i32.to_be_bytes()].concat();
    assert!(json_of(&BinaryForm::TimeTz, &too_far).is_err());
}

#[test]
fn timestamps() {
    for (microseconds, json, era) in [
        (0, "2000-01-01T00:00:00.000000", ""),
        (-1, "1999-12-31T23:59:59.999999", ""),
        (151_496_634_123_456, "2004-10-19T10:23:54.123456", ""),
        (-63_082_281_600_000_000, "0001-01-01T00:00:00.000000", ""),
        (-63_082_281_600_000_001, "0001-12-31T23:59:59.999999", " BC"),
        (9_223_371_331_199_999_999, "+294276-12-31T23:59:59.999999", ""),
        (-211_813_488_000_000_000, "4714-11-24T00:00:00.000000", " BC"),
    ] {
        let binary = i64::to_be_bytes(microseconds);
        assert_eq!(whole(&BinaryForm::Timestamp, &binary), format!("\"{json}{era}\""));
        assert_eq!(whole(&BinaryForm::TimestampTz, &binary), format!("\"{json}Z{era}\""));
    }
    assert!(is_nulled(&BinaryForm::Timestamp, &i64::MAX.to_be_bytes()));
    assert!(is_nulled(&BinaryForm::TimestampTz, &i64::MIN.to_be_bytes()));
    assert!(json_of(&BinaryForm::Timestamp, &(i64::MIN + 1).to_be_bytes()).is_err());
}

#[test]
fn an_hstore_is_compact_json_in_a_string() {
    let text = |text: &str| [&(text.len() as i32).to_be_bytes()[..], text.as_bytes()].concat();
    let null = (-1_i32).to_be_bytes().to_vec();
    let pairs = [2_i32.to_be_bytes().to_vec(), text("size"), null.clone(), text("a\"b"), text("é\\")].concat();
    assert_eq!(whole(&BinaryForm::Hstore, &pairs), r#""{\"size\":null,\"a\\\"b\":\"é\\\\\"}""#);
    assert_eq!(whole(&BinaryForm::Hstore, &[0; 4]), r#""{}""#);
    for broken in [[1_i32.to_be_bytes().to_vec(), null, text("x")].concat(), pairs[..9].to_vec(), vec![0; 5]] {
        assert!(json_of(&BinaryForm::Hstore, &broken).is_err());
    }
}

#[test]
fn arrays_have_their_dimensions_and_their_nulls() {
    let numbers: Vec<[u8; 4]> = (1..=6).map(i32::to_be_bytes).collect();
    let numbers: Vec<Option<&[u8]>> = numbers.iter().map(|number| Some(number.as_slice())).collect();
    let integers = array_of(BinaryForm::Int4);
    assert_eq!(whole(&integers, &array(&[], &[])), "[]");
    assert_eq!(whole(&integers, &array(&[3], &numbers[..3])), "[1,2,3]");
    assert_eq!(whole(&integers, &array(&[3], &[numbers[0], None, numbers[1]])), "[1,null,2]");
    assert_eq!(whole(&integers, &array(&[2, 3], &numbers)), "[[1,2,3],[4,5,6]]");
    assert_eq!(whole(&integers, &array(&[1, 3, 2], &numbers)), "[[[1,2],[3,4],[5,6]]]");
    let texts = array_of(BinaryForm::Text);
    assert_eq!(whole(&texts, &array(&[2], &[Some(b"l "), Some(b"\"")])), r#"["l ","\""]"#);
    let replaced = json_of(&texts, &array(&[2], &[Some(b"\xff"), Some(b"b")])).unwrap();
    assert_eq!(replaced, ("[\"\u{fffd}\",\"b\"]".to_owned(), Kept::Replaced));
    // Domains over arrays make arrays of arrays.
    let inner = array(&[1], &numbers[..1]);
    assert_eq!(whole(&array_of(integers.clone()), &array(&[2], &[Some(&inner), None])), "[[1],null]");

    let [one, nan] = [1.0_f64.to_be_bytes(), f64::NAN.to_be_bytes()];
    assert!(is_nulled(&array_of(BinaryForm::Float8), &array(&[2, 1], &[Some(&one), Some(&nan)])));

    for broken in [
        array(&[0], &[]),
        array(&[-1], &[]),
        array(&[4], &numbers[..3]),
        array(&[2], &numbers[..3]),
        array(&[i32::MAX, i32::MAX, i32::MAX, i32::MAX], &numbers),
        array(&[1; 7], &numbers[..1]),
        array(&[], &numbers[..1]),
        array(&[1], &[Some(b"abc")]),
        array(&[3], &numbers[..3])[..30].to_vec(),
    ] {
        assert!(json_of(&integers, &broken).is_err());
    }
}

fn forms() -> Vec<BinaryForm> {
    use BinaryForm::*;
    let scalars = [
        Boolean,
        Int2,
        Int4,
        Int8,
        Oid,
        Float4,
        Float8,
        Numeric,
        Text,
        Jsonb,
        Hstore,
        Bytea,
        Uuid,
        Date,
        Time,
        TimeTz,
        Timestamp,
        TimestampTz,
    ];
    scalars.iter().cloned().chain(scalars.iter().cloned().map(array_of)).chain([array_of(array_of(Text))]).collect()
}

#[test]
fn a_number_of_the_wrong_size_is_malformed() {
    for (form, size) in [
        (BinaryForm::Boolean, 1),
        (BinaryForm::Int2, 2),
        (BinaryForm::Int4, 4),
        (BinaryForm::Int8, 8),
        (BinaryForm::Oid, 4),
        (BinaryForm::Float4, 4),
        (BinaryForm::Float8, 8),
        (BinaryForm::Uuid, 16),
        (BinaryForm::Date, 4),
        (BinaryForm::Time, 8),
        (BinaryForm::TimeTz, 12),
        (BinaryForm::Timestamp, 8),
        (BinaryForm::TimestampTz, 8),
    ] {
        for other in [0, size - 1, size + 1] {
            assert!(json_of(&form, &vec![0; other]).is_err(), "{form:?} of {other} bytes");
        }
        assert!(json_of(&form, &vec![0; size]).is_ok(), "{form:?} of {size} bytes");
    }
}

#[test]
fn a_row_is_an_object() {
    let columns = [("id", BinaryForm::Int4), ("a \"name\"", BinaryForm::Text), ("ratio", BinaryForm::Float8)];
    let mut writer = RecordWriter::new(columns);
    let mut json = Vec::new();
    let one = 1_i32.to_be_bytes();
    let nan = f64::NAN.to_be_bytes();
    assert_eq!(writer.append([Some(&one[..]), None, Some(&nan)], &mut json), Ok(&[(2, Kept::Nulled)][..]));
    assert_eq!(writer.append([None, Some(&b"x"[..]), None], &mut json), Ok(&[][..]));
    let expected = r#"{"id":1,"a \"name\"":null,"ratio":null}{"id":null,"a \"name\"":"x","ratio":null}"#;
    assert_eq!(String::from_utf8_lossy(&json), expected);

    for (fields, told) in [
        (vec![None, None], "a row has fewer fields than columns"),
        (vec![None; 4], "a row has more fields than columns"),
        (vec![Some(&one[..]), None, Some(&b"secret"[..])], "column 3: a double precision has not eight bytes"),
    ] {
        assert_eq!(writer.append(fields, &mut json).unwrap_err().to_string(), told);
        assert_eq!(json.len(), expected.len(), "nothing is left of a row that can not be read");
    }

    json.clear();
    assert_eq!(RecordWriter::new([]).append([], &mut json), Ok(&[][..]));
    assert_eq!(json, b"{}", "a table may have no columns");
}

/// PostgreSQL's microseconds of a moment.
fn since_2000(moment: DateTime) -> i64 {
    let since = moment.duration_since(datetime(2000, 1, 1, 0, 0, 0, 0));
    i64::try_from(since.as_micros()).unwrap()
}

/// A moment of jiff's as we write it.
fn as_jiff_has_it(moment: DateTime) -> String {
    let (year, era) = if moment.year() > 0 { (moment.year(), "") } else { (1 - moment.year(), " BC") };
    format!("{year:04}-{}{era}", moment.strftime("%m-%dT%H:%M:%S.%6f"))
}

#[test]
fn every_day_of_four_centuries_is_jiffs() {
    for first in [-400, 1800] {
        let mut moment = datetime(first, 1, 1, 12, 30, 59, 123_456_000);
        while moment.year() < first + 401 {
            let json = whole(&BinaryForm::Timestamp, &since_2000(moment).to_be_bytes());
            assert_eq!(json, format!("\"{}\"", as_jiff_has_it(moment)));
            moment = moment.checked_add(1.day()).unwrap();
        }
    }
}

/// A numeric's text in groups of four, as the server keeps it.
fn numeric_of_text(text: &str) -> Vec<u8> {
    let (sign, digits) = text.strip_prefix('-').map_or((0, text), |digits| (0x4000, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = format!("{whole:0>width$}", width = whole.len().next_multiple_of(4));
    let padded = format!("{fraction:0<width$}", width = fraction.len().next_multiple_of(4));
    let digits = whole.clone() + &padded;
    let mut groups: Vec<u16> =
        digits.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap().parse().unwrap()).collect();
    let mut weight = (whole.len() / 4) as i16 - 1;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    numeric(weight, sign, fraction.len() as u16, &groups)
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_there_is_json_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for form in forms() {
            if let Ok((json, _)) = json_of(&form, &bytes) {
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&json).is_ok(), "{:?}: {}", form, json);
            }
        }
    }

    #[test]
    fn whatever_is_in_an_array_there_is_json_or_an_error(
        dimensions in prop::collection::vec(0_i32..3, 0..4),
        elements in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..9),
    ) {
        let elements: Vec<Option<&[u8]>> = elements.iter().map(Option::as_deref).collect();
        let bytes = array(&dimensions, &elements);
        for form in forms() {
            if let Ok((json, _)) = json_of(&form, &bytes) {
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&json).is_ok(), "{:?}: {}", form, json);
            }
        }
    }

    #[test]
    fn a_text_is_the_same_text_again(text in any::<String>(), ascii in "[ -~]{0,40}") {
        for text in [text, ascii] {
            let json = whole(&BinaryForm::Text, text.as_bytes());
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn a_numeric_is_its_text(text in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?") {
        prop_assume!(!text.starts_with("-0") || text.contains(|digit: char| ('1'..='9').contains(&digit)));
        prop_assert_eq!(whole(&BinaryForm::Numeric, &numeric_of_text(&text)), text);
    }

    #[test]
    fn a_floating_point_number_is_the_same_again(number in any::<f64>()) {
        prop_assume!(number.is_finite());
        let json = whole(&BinaryForm::Float8, &number.to_be_bytes());
        prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), number.to_bits());
        let number = number as f32;
        prop_assume!(number.is_finite());
        let json = whole(&BinaryForm::Float4, &number.to_be_bytes());
        prop_assert_eq!(json.parse::<f32>().unwrap().to_bits(), number.to_bits());
    }

    #[test]
    fn a_moment_is_jiffs(second in -211_813_488_000_i64..252_455_616_000, microsecond in 0_i64..1_000_000) {
        let microseconds = second * 1_000_000 + microsecond;
        let moment = datetime(2000, 1, 1, 0, 0, 0, 0).checked_add(microseconds.microseconds()).unwrap();
        let json = whole(&BinaryForm::Timestamp, &microseconds.to_be_bytes());
        prop_assert_eq!(json, format!("\"{}\"", as_jiff_has_it(moment)));
    }
}
