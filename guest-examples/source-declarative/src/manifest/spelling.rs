//! What somebody may have meant who wrote a word that is none of those that are known.

/// The beginning of a word that is enough to know it by.
const MIN_BEGINNING: usize = 6;

/// The known word that is nearest to a written one, if one is near.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let written = written.to_lowercase();
    let length = written.chars().count();
    let most = (length / 3).clamp(1, 3);
    let near = |word: &'k str| {
        let word_in_lowercase = word.to_lowercase();
        let same = written.chars().zip(word_in_lowercase.chars()).take_while(|(one, other)| one == other).count();
        let distance = distance(&written, &word_in_lowercase);
        // All of what was written but a letter or two.
        let begins_so = same >= MIN_BEGINNING && length - same <= length / 7;
        (distance <= most || begins_so).then_some((distance, word))
    };
    known.into_iter().filter_map(near).min().map(|(_, word)| word)
}

/// How many letters have to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (above, at) in row.iter_mut().skip(1).zip(&other) {
            let change = diagonal + usize::from(letter != *at);
            diagonal = *above;
            left = change.min(diagonal + 1).min(left + 1);
            *above = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["paginator", "requester", "record_selector", "partition_router"];
        assert_eq!(nearest("paginatr", known), Some("paginator"));
        assert_eq!(nearest("Requester", known), Some("requester"));
        assert_eq!(nearest("recordselector", known), Some("record_selector"));
        assert_eq!(nearest("decoder", known), None);
        assert_eq!(nearest("x", ["y", "yes"]), Some("y"));
        assert_eq!(nearest("connection_spec", ["connection_specification", "type"]), Some("connection_specification"));
        assert_eq!(nearest("request_params", ["header", "request_parameter"]), Some("request_parameter"));
        assert_eq!(nearest("page_token", ["page_size"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
