//! Tables in Markdown, as this suite writes them. It must not know what is in them.

/// The rows below a table's heading: what is in their cells.
pub fn rows(table: &str) -> Vec<Vec<String>> {
    lines(table).skip(2).map(cells).collect()
}

/// The column of a name: for each row what it is called, which is its first cell, and what it has there.
pub fn column(table: &str, name: &str) -> Option<Vec<(String, String)>> {
    let index = cells(lines(table).next()?).iter().position(|cell| cell == name)?;
    let pair = |row: Vec<String>| Some((row.first()?.clone(), row.get(index)?.clone()));
    Some(rows(table).into_iter().filter_map(pair).collect())
}

/// A text as one cell.
pub fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// A table ends at the first line that is none of it.
fn lines(table: &str) -> impl Iterator<Item = &str> {
    table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'))
}

/// A bar in a cell is written with a backslash before it.
fn cells(line: &str) -> Vec<String> {
    const BAR: &str = "\u{0}";
    let line = line.replace("\\|", BAR);
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().replace(BAR, "\\|")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| | CPU ms | runs |\n|---|--:|--:|\n| `spec` | 1.50 | 5 |\n| a \\| b | 2 | |\n\nA sentence.\n";

    #[test]
    fn a_column_is_found_by_its_heading() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(column(TABLE, "CPU ms"), Some(vec![pair("`spec`", "1.50"), pair("a \\| b", "2")]));
        assert_eq!(column(TABLE, "runs"), Some(vec![pair("`spec`", "5"), pair("a \\| b", "")]));
        assert_eq!(column(TABLE, "wall ms"), None);
        assert_eq!(column("No table.", "runs"), None);
    }

    #[test]
    fn what_is_put_into_a_cell_comes_back() {
        let text = cell("no\nnetwork | none");
        assert_eq!(rows(&format!("| |\n|---|\n| {text} |\n")), [[text]]);
    }
}
