//! Which fields of the config a manifest's templates name. Reads them as text: what a template does with them does not matter here.

use serde_json::Value;

const CONFIG: &str = "config";

/// What a template may do with the config as a whole.
const METHODS: [&str; 4] = ["get", "items", "keys", "values"];

/// Calls `found` with each field that a template of the value names, and with the path of that template.
pub fn each(value: &Value, path: &str, found: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            of_template(text).for_each(|key| found(path, key));
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                each(element, &format!("{path}[{index}]"), found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| *name != super::parameters::PARAMETERS) {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                each(value, &below, found);
            }
        }
        _ => {}
    }
}

fn of_template(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(CONFIG).filter_map(|(at, _)| {
        let before = text.get(..at)?.chars().next_back();
        if before.is_some_and(|letter| is_of_name(letter) || matches!(letter, '.' | '\'' | '"')) {
            return None;
        }
        key(text.get(at + CONFIG.len()..)?)
    })
}

/// The field that `['key']`, `.key` or `.get('key'` names.
fn key(rest: &str) -> Option<&str> {
    if let Some(quoted) = rest.strip_prefix('[').or_else(|| rest.strip_prefix(".get(")) {
        let quoted = quoted.trim_start();
        let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        return quoted.get(1..)?.split_once(quote).map(|(key, _)| key);
    }
    let name = rest.strip_prefix('.')?;
    let end = name.find(|letter| !is_of_name(letter)).unwrap_or(name.len());
    name.get(..end).filter(|name| !name.is_empty() && !METHODS.contains(name))
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_the_config_are_found_in_templates_alone() {
        let manifest = json!({
            "a": ["{{ config['one'] }}/{{ config.two.within }}", "config['text']"],
            "b": {"c": "{% if config.get( \"three\" ) %}{{ config.items() }}{{ my_config['no'] }}{{ x.config['no'] }}{% endif %}"},
            "$parameters": {"again": "{{ config['four'] }}"},
        });
        let mut found = Vec::new();
        each(&manifest, "", &mut |path, key| found.push(format!("{path}: {key}")));
        assert_eq!(found, ["a[0]: one", "a[0]: two", "b.c: three"]);
    }
}
