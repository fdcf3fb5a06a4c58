//! The names of the columns, given by the file or by the user, as pandas finds them.

use std::collections::HashSet;

use super::rows::Rows;
use crate::problem::Problem;

/// Where the names come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// So many lines at the start are not CSV.
    pub skipped_lines: u64,
    /// The row that holds the names, from 0; none if no row does.
    pub row: Option<u64>,
    /// The names that the user gives.
    pub names: Option<Vec<String>>,
}

/// The columns of one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    /// Their names, each once.
    pub names: Vec<String>,
    /// Whether the row that the names were counted by is the first record, and not taken yet.
    pub at_first_record: bool,
}

impl Header {
    /// Goes to the start of the records. None if the file ends before there are columns.
    pub fn read(&self, rows: &mut Rows) -> Result<Option<Columns>, Problem> {
        rows.skip_lines(self.skipped_lines)?;
        let mut scratch = Vec::new();
        let mut found = None;
        if let Some(row) = self.row {
            for _ in 0..=row {
                if !rows.next()? {
                    // With names of the user's, a file without rows has columns all the same.
                    return Ok(self.names.clone().map(|names| Columns { names, at_first_record: false }));
                }
            }
            let text = |index| String::from_utf8_lossy(rows.field(index, &mut scratch).text).into_owned();
            found = Some((0..rows.len()).map(text).collect::<Vec<_>>());
        }
        let names = match (&self.names, found) {
            (Some(names), _) => names.clone(),
            (None, Some(found)) => unique(found),
            (None, None) => {
                if !rows.next()? {
                    return Ok(None);
                }
                let names = (0..rows.len()).map(|index| index.to_string()).collect();
                return Ok(Some(Columns { names, at_first_record: true }));
            }
        };
        Ok(Some(Columns { names, at_first_record: false }))
    }
}

/// Columns without a name are `Unnamed: 3`, counted from 0, and the second `a` is `a.1`.
fn unique(names: Vec<String>) -> Vec<String> {
    let given: HashSet<String> = names.iter().cloned().collect();
    let mut taken = HashSet::new();
    let mut unique = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let name = if name.is_empty() { format!("Unnamed: {index}") } else { name };
        let mut candidate = name.clone();
        let mut number = 0_u64;
        while taken.contains(&candidate) || (number > 0 && given.contains(&candidate)) {
            number += 1;
            candidate = format!("{name}.{number}");
        }
        taken.insert(candidate.clone());
        unique.push(candidate);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;
    use crate::csv::rows::Dialect;

    fn columns(content: &'static str, header: &Header) -> Option<(Vec<String>, Option<String>)> {
        let mut rows = Rows::new(Bytes::in_pieces(content.as_bytes(), 2), Dialect::default());
        let columns = header.read(&mut rows).unwrap()?;
        let has_row = columns.at_first_record || rows.next().unwrap();
        let first = has_row.then(|| String::from_utf8(rows.field(0, &mut Vec::new()).text.to_vec()).unwrap());
        Some((columns.names, first))
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_come_from_where_they_are_said_to() {
        let first = Header { row: Some(0), ..Header::default() };
        assert_eq!(columns("a,b\n1,2\n", &first), Some((names(&["a", "b"]), Some("1".into()))));
        assert_eq!(columns("a,b", &first), Some((names(&["a", "b"]), None)));
        assert_eq!(columns("\n\r\n", &first), None);
        let third = Header { skipped_lines: 1, row: Some(1), names: None };
        assert_eq!(columns("\"x\ny\n\nz,b\n1,2\n", &third), Some((names(&["z", "b"]), Some("1".into()))));
        let none = Header::default();
        assert_eq!(columns("1,2\n", &none), Some((names(&["0", "1"]), Some("1".into()))));
        assert_eq!(columns("", &none), None);
        let given = Header { names: Some(names(&["x"])), ..Header::default() };
        assert_eq!(columns("1\n", &given), Some((names(&["x"]), Some("1".into()))));
        assert_eq!(columns("", &given), Some((names(&["x"]), None)));
        let instead = Header { row: Some(0), ..given };
        assert_eq!(columns("a\n1\n", &instead), Some((names(&["x"]), Some("1".into()))));
    }

    #[test]
    fn every_column_has_a_name_of_its_own() {
        let given = names(&["a", "", "a", "a.1", "a", "", "b"]);
        assert_eq!(unique(given), names(&["a", "Unnamed: 1", "a.2", "a.1", "a.3", "Unnamed: 5", "b"]));
    }
}
