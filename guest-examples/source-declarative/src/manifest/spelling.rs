//! What somebody may have meant who wrote a word that is none of those that are known.

/// The beginning of a word that is enough to know it by.
const MIN_BEGINNING: usize = 6;

/// What is longer is no word.
const MAX_LENGTH: usize = 64;

/// The known word that is nearest to a written one, if one is near.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let written = written.to_lowercase();
    let length = written.chars().count();
    if length > MAX_LENGTH {
        return None;
    }
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

/// Whether a word is the end of a name of several: the token of an api_token.
pub fn is_last_word(written: &str, name: &str) -> bool {
    name.strip_suffix(written).is_some_and(|before| before.ends_with('_'))
}

/// How many letters have to be put in, taken out, changed, or put before the one before.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut before = None;
    for (line, letter) in one.chars().enumerate() {
        let mut next = vec![line + 1];
        for (index, at) in other.iter().enumerate() {
            let cell = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let change = cell(&row, index) + usize::from(letter != *at);
            let mut least = change.min(cell(&row, index + 1) + 1).min(cell(&next, index) + 1);
            let last = index.checked_sub(1);
            if let Some(last) = last.filter(|last| before == Some(*at) && other.get(*last) == Some(&letter)) {
                least = least.min(cell(&above, last) + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
        before = Some(letter);
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
        assert!(is_last_word("token", "api_token") && !is_last_word("oken", "api_token") && !is_last_word("", "token"));
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("nmae", "name"), 1);
        assert_eq!(distance("abdc", "badc"), 1);
    }
}
