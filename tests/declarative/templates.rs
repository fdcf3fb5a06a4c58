//! What a template asks for, seen from outside: no template is evaluated. It must not know what asks.

/// The fields that a template asks of `root`: `response.a['b'].get("c")` asks a, b, c.
pub fn names(template: &str, root: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for (at, _) in template.match_indices(root) {
        let before = template[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.') {
            continue;
        }
        let mut path = Vec::new();
        let mut rest = &template[at + root.len()..];
        while let Some((name, after)) = name(rest) {
            path.push(name);
            rest = after;
        }
        if !path.is_empty() && !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

/// The first access of a template's rest.
fn name(text: &str) -> Option<(String, &str)> {
    let quoted = |rest: &str, open: &str| -> Option<(String, usize)> {
        let inner = rest.strip_prefix(open)?.trim_start();
        let quote = inner.chars().next().filter(|c| *c == '\'' || *c == '"')?;
        let (name, after) = inner[1..].split_once(quote)?;
        Some((name.to_owned(), rest.len() - after.len()))
    };
    if let Some((name, at)) = quoted(text, ".get(") {
        return Some((name, text[at..].split_once(')')?.1));
    }
    if let Some((name, at)) = quoted(text, "[") {
        return Some((name, text[at..].split_once(']')?.1));
    }
    let rest = text.strip_prefix('.')?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let is_call = rest[end..].starts_with('(');
    (end > 0 && !is_call).then(|| (rest[..end].to_owned(), &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_templates_ask_is_found() {
        let told = |template| names(template, "response");
        assert_eq!(told("{{ response.meta.next_page }}"), [["meta", "next_page"]]);
        assert_eq!(told(r#"{{ response.get("paging", {}).get("next", {}) }}"#), [["paging", "next"]]);
        assert_eq!(told("{{ response['entries'][-1]['uuid'] }}"), [["entries"]]);
        assert_eq!(names("{{ headers['link']['next']['url'] }}", "headers"), [["link", "next", "url"]]);
        assert!(told("{{ last_record.response }}").is_empty());
    }
}
