//! The hosts that a URL names in which there may be templates of the Jinja language: those whose values are written in the config, in a
//! `$parameters`, or in the template itself. What is computed in another way can not be told, and is not guessed.

use std::cell::Cell;

/// More hosts of one URL are not believed.
const MAX_ALTERNATIVES: usize = 32;

/// How deep brackets, and parameters in parameters, may lie in each other.
const MAX_DEPTH: usize = 8;

/// A longer URL is not looked into.
const MAX_BYTES: usize = 8 * 1024;

/// So many texts are looked into for one URL: parameters may be in parameters.
const MAX_TEXTS: usize = 100;

/// Methods and filters that leave a URL's host as it is.
const HARMLESS: [&str; 6] = ["strip", "rstrip", "lstrip", "trim", "lower", "string"];

/// What parameters there are, and how many texts may still be looked into.
struct Parameters<'a> {
    values: &'a dyn Fn(&str) -> Vec<&'a str>,
    left: Cell<usize>,
}

/// The hosts that the URL `text` may have, as entries of `allowedHosts`; a place of the config is a placeholder (`${a.b}`). None where
/// that can not be told. What is no URL has no host. `values` gives those that a name has in any `$parameters`.
pub fn hosts<'a>(text: &str, values: &'a dyn Fn(&str) -> Vec<&'a str>) -> Option<Vec<String>> {
    let parameters = Parameters { values, left: Cell::new(MAX_TEXTS) };
    let found = alternatives(text.trim(), &parameters, MAX_DEPTH)?;
    let mut hosts: Vec<String> = found.iter().filter_map(|url| host(url.trim())).collect();
    // In a URL it is no pattern, and as an entry it would be one.
    if hosts.iter().any(|host| host.contains('*')) {
        return None;
    }
    hosts.sort();
    hosts.dedup();
    Some(hosts)
}

/// The entry for a URL with placeholders in it.
fn host(url: &str) -> Option<String> {
    let authority = match url.split_once("://") {
        Some((_, rest)) => rest,
        // The place of the config has the scheme as well.
        None if url.starts_with("${") => {
            let (placeholder, rest) = url.split_at(url.find('}')? + 1);
            if !rest.starts_with(['.', '-', '$']) {
                return Some(placeholder.to_owned());
            }
            url
        }
        None => return None,
    };
    let authority = authority.split(['/', '?', '#', '\\']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.starts_with("${") => host,
        _ => authority,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

/// Whether what follows is no part of the host any more.
fn has_whole_host(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#', '\\']))
        || url.strip_prefix("${").and_then(|rest| rest.split_once('}')).is_some_and(|(_, rest)| rest.starts_with('/'))
}

/// What a text with templates may come to, as far as its host goes.
fn alternatives(text: &str, parameters: &Parameters, depth: usize) -> Option<Vec<String>> {
    let depth = depth.checked_sub(1)?;
    parameters.left.set(parameters.left.get().checked_sub(1)?);
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut found = vec![String::new()];
    let mut rest = text;
    while !rest.is_empty() {
        if found.iter().all(|url| has_whole_host(url)) {
            break;
        }
        let (before, from) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
        if before.ends_with('$') {
            // It would look like a placeholder.
            return None;
        }
        found.iter_mut().for_each(|url| url.push_str(before));
        if from.is_empty() || found.iter().all(|url| has_whole_host(url)) {
            break;
        }
        // Statements and comments are not understood.
        let (tokens, behind) = tokens(from.strip_prefix("{{")?)?;
        let mut expression = Expression { tokens: &tokens, parameters };
        let values = expression.whole(depth).filter(|_| expression.tokens.is_empty())?;
        found = joined(&found, &values)?;
        rest = behind;
    }
    Some(found)
}

/// Each of the one before each of the other.
fn joined(one: &[String], other: &[String]) -> Option<Vec<String>> {
    if one.len() * other.len() > MAX_ALTERNATIVES {
        return None;
    }
    Some(one.iter().flat_map(|before| other.iter().map(move |behind| format!("{before}{behind}"))).collect())
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    /// A text in quotation marks.
    Text(&'a str),
    /// A word or a number.
    Name(&'a str),
    Sign(char),
}

/// The tokens of an expression, and what comes behind its `}}`.
fn tokens(text: &str) -> Option<(Vec<Token<'_>>, &str)> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix("}}").or_else(|| rest.strip_prefix("-}}")) {
            // `{{ {'a': {}}['b'] }}` ends later; then what is here is no expression.
            return Some((tokens, behind));
        }
        let first = rest.chars().next()?;
        if first == '\'' || first == '"' {
            let (content, behind) = rest.get(1..)?.split_once(first)?;
            // Escaped characters are not understood, and neither is what would look like a placeholder.
            if content.contains(['\\', '$', '{']) {
                return None;
            }
            tokens.push(Token::Text(content));
            rest = behind;
        } else if is_of_name(first) {
            let (name, behind) = rest.split_at(rest.find(|character| !is_of_name(character)).unwrap_or(rest.len()));
            tokens.push(Token::Name(name));
            rest = behind;
        } else {
            tokens.push(Token::Sign(first));
            rest = rest.get(first.len_utf8()..)?;
        }
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// What is left of an expression. Each method takes its part away and gives the values that this may have; none where it is not
/// understood.
struct Expression<'t, 'p, 'v> {
    tokens: &'t [Token<'t>],
    parameters: &'p Parameters<'v>,
}

impl<'t> Expression<'t, '_, '_> {
    /// `a`, `a or b`, `a if c else b`.
    fn whole(&mut self, depth: usize) -> Option<Vec<String>> {
        let depth = depth.checked_sub(1)?;
        let mut found = self.sum(depth)?;
        while self.take(&Token::Name("or")) {
            found.extend(self.sum(depth)?);
        }
        if self.take(&Token::Name("if")) {
            self.skip_condition();
            if self.take(&Token::Name("else")) {
                found.extend(self.whole(depth)?);
            }
        }
        (found.len() <= MAX_ALTERNATIVES).then_some(found)
    }

    /// What decides is no matter: all that may come of it counts.
    fn skip_condition(&mut self) {
        let mut open = 0_usize;
        while let Some((token, rest)) = self.tokens.split_first() {
            match token {
                Token::Name("else") if open == 0 => return,
                Token::Sign(')' | ']' | '}' | ',') if open == 0 => return,
                Token::Sign('(' | '[' | '{') => open += 1,
                Token::Sign(')' | ']' | '}') => open -= 1,
                _ => {}
            }
            self.tokens = rest;
        }
    }

    /// `a ~ b`, `a + b`.
    fn sum(&mut self, depth: usize) -> Option<Vec<String>> {
        let mut found = self.value(depth)?;
        while self.take(&Token::Sign('~')) || self.take(&Token::Sign('+')) {
            found = joined(&found, &self.value(depth)?)?;
        }
        Some(found)
    }

    /// A text, a place of the config, a parameter, or an expression in brackets; and what leaves its host as it is.
    fn value(&mut self, depth: usize) -> Option<Vec<String>> {
        let (token, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        let mut found = match token {
            Token::Text(text) => vec![(*text).to_owned()],
            Token::Name("config") => self.place_of_config(depth)?,
            Token::Name("parameters") => self.parameter(depth)?,
            Token::Name("none" | "None") => Vec::new(),
            Token::Sign('(') => {
                let found = self.whole(depth)?;
                self.require(&Token::Sign(')'))?;
                found
            }
            // An empty object, which stands for nothing.
            Token::Sign('{') => {
                self.require(&Token::Sign('}'))?;
                Vec::new()
            }
            _ => return None,
        };
        loop {
            let is_filter = self.take(&Token::Sign('|'));
            if !is_filter && !self.take(&Token::Sign('.')) {
                return Some(found);
            }
            let name = self.name()?;
            let arguments = self.take(&Token::Sign('('));
            match name {
                "default" | "d" if is_filter && arguments => found.extend(self.whole(depth)?),
                _ if HARMLESS.contains(&name) => {
                    if arguments && matches!(self.tokens, [Token::Text(_), ..]) {
                        self.tokens = &self.tokens[1..];
                    }
                }
                _ => return None,
            }
            if arguments {
                self.require(&Token::Sign(')'))?;
            }
        }
    }

    /// `config['a']['b']`, `config.a`, `config.get('a')`, `config.get('a', default)`.
    fn place_of_config(&mut self, depth: usize) -> Option<Vec<String>> {
        let mut path = Vec::new();
        let mut defaults = Vec::new();
        while let Some((name, mut default)) = self.step(depth)? {
            let is_plain = |name: &str| name.chars().all(|character| is_of_name(character) || character == '-');
            if name.is_empty() || !is_plain(name) {
                return None;
            }
            path.push(name);
            defaults.append(&mut default);
        }
        if path.is_empty() {
            return None;
        }
        let mut found = vec![format!("${{{}}}", path.join("."))];
        found.append(&mut defaults);
        Some(found)
    }

    /// `parameters['a']` and its like: what stands there may be a template, too.
    fn parameter(&mut self, depth: usize) -> Option<Vec<String>> {
        let (name, mut found) = self.step(depth)??;
        let values = (self.parameters.values)(name);
        if values.is_empty() && found.is_empty() {
            return None;
        }
        for value in values {
            found.extend(alternatives(value, self.parameters, depth)?);
        }
        Some(found)
    }

    /// One step into an object, with what is there if nothing is; none where there is no step. The outer none is of what is not
    /// understood.
    fn step(&mut self, depth: usize) -> Option<Option<(&'t str, Vec<String>)>> {
        match self.tokens {
            [Token::Sign('['), Token::Text(name), Token::Sign(']'), rest @ ..] => {
                self.tokens = rest;
                Some(Some((name, Vec::new())))
            }
            [Token::Sign('['), ..] => None,
            [Token::Sign('.'), Token::Name("get"), Token::Sign('('), Token::Text(name), rest @ ..] => {
                self.tokens = rest;
                let default = if self.take(&Token::Sign(',')) { self.whole(depth)? } else { Vec::new() };
                self.require(&Token::Sign(')'))?;
                Some(Some((name, default)))
            }
            // A method of the value.
            [Token::Sign('.'), Token::Name(_), Token::Sign('('), ..] => Some(None),
            [Token::Sign('.'), Token::Name(name), rest @ ..] => {
                self.tokens = rest;
                Some(Some((name, Vec::new())))
            }
            _ => Some(None),
        }
    }

    fn name(&mut self) -> Option<&'t str> {
        let [Token::Name(name), rest @ ..] = self.tokens else { return None };
        self.tokens = rest;
        Some(name)
    }

    fn take(&mut self, token: &Token) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn require(&mut self, token: &Token) -> Option<()> {
        self.take(token).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let parameters = |name: &str| match name {
            "host" => vec!["api.example.com"],
            "region" => vec!["eu", "us"],
            "of config" => vec!["{{ config['site'] }}"],
            "itself" => vec!["{{ parameters['itself'] }}"],
            _ => Vec::new(),
        };
        hosts(text, &parameters).map_or("?".to_owned(), |hosts| hosts.join(" "))
    }

    #[test]
    fn hosts_are_those_of_the_text_the_config_and_the_parameters() {
        for (text, expected) in [
            ("https://api.example.com", "api.example.com"),
            (" https://u:p@api.example.com:8443/v1?x=y#z \n", "api.example.com:8443"),
            ("http://[::1]:80/", "[::1]:80"),
            ("https://api.example.com/{{ stream_slice['id'] }}/{% if x %}", "api.example.com"),
            ("https://api.example.com?{{ anything | at_all }}", "api.example.com"),
            // The whole host, with and without its scheme.
            ("{{ config['url'] }}", "${url}"),
            ("{{config.url}}/api/v2", "${url}"),
            ("{{ config[\"a\"]['b-c'] }}", "${a.b-c}"),
            ("{{ config['base_url'] }}oauth/token", "${base_url}"),
            ("{{ config['base_url'] }}:8080/x", "${base_url}"),
            ("{{ config['base_url'].rstrip('/') }}/x", "${base_url}"),
            ("{{ config['base_url'] | trim | lower }}/x", "${base_url}"),
            ("https://{{ config.get('host') }}/x", "${host}"),
            ("https://{{ config['host'] }}:{{ config['port'] }}/x", "${host}"),
            ("{{ config['scheme'] }}://{{ config['host'] }}/", "${host}"),
            ("{{ config['url'] }}/{{ stream_slice.id }}", "${url}"),
            // Parts of it.
            ("https://{{ config['subdomain'] }}.zendesk.com/api", "${subdomain}.zendesk.com"),
            (
                "https://{{ config.subdomain }}-{{ config.get('region') }}.x.com:443/",
                "${subdomain}-${region}.x.com:443",
            ),
            ("https://{{ config['a']['b'] }}.x.com", "${a.b}.x.com"),
            ("{{ 'https://' ~ config['subdomain'] + '.x.com' }}/v1", "${subdomain}.x.com"),
            ("{{ config['subdomain'] }}.x.com", "${subdomain}.x.com"),
            // One of several.
            ("{{ config.get('url', 'https://api.example.com/v1') }}/x", "${url} api.example.com"),
            ("{{ config['url'] or 'https://app.example.com'}}/api/", "${url} app.example.com"),
            ("{{ config.get('url') or \"https://a.example\" }}", "${url} a.example"),
            ("{{ config['url'] | default('https://a.example') }}/", "${url} a.example"),
            ("{{ 'https://a.example' if config['x'] == 'y' else 'https://b.example' }}", "a.example b.example"),
            (
                "https://{{ 'a' if config['x'] in ['p', 'q'] else ('b' if not (config['y']) else config['z']) }}.example/",
                "${z}.example a.example b.example",
            ),
            ("{{ config.get('credentials', {}).get('host', 'https://a.example') }}", "${credentials.host} a.example"),
            ("https://{{ parameters['region'] }}.x.com/", "eu.x.com us.x.com"),
            ("https://{{ parameters.host }}/v1", "api.example.com"),
            ("https://{{ parameters.get('none', 'a.example') }}/v1", "a.example"),
            ("https://{{ parameters['of config'] }}.example/v1", "${site}.example"),
            // None.
            ("", ""),
            ("users/1", ""),
            ("session", ""),
            // It can not be told.
            ("{{ stream_partition['url'] }}", "?"),
            ("https://{{ config['url'].split('/')[2] }}/", "?"),
            ("https://{{ config['url'] | replace('a', 'b') }}/", "?"),
            ("https://{{ config[stream_slice.a] }}/", "?"),
            ("https://{{ config['a.b'] }}/", "?"),
            ("https://{{ config['a}b'] }}/", "?"),
            ("https://{{ config }}/", "?"),
            ("https://{{ config['a'] and 'b' }}/", "?"),
            ("https://{{ parameters['none'] }}/", "?"),
            ("https://{{ parameters['itself'] }}/", "?"),
            ("https://{% if x %}a{% endif %}.example/", "?"),
            ("https://${x}.example/", "?"),
            ("https://${{ 'x' }}.example/", "?"),
            ("https://{{ '${x}' }}.example/", "?"),
            ("https://{{ 'a\\'b' }}.example/", "?"),
            ("https://{{ config['a'", "?"),
            ("https://{{ }}/", "?"),
            ("https://*/", "?"),
            ("https://{{ 'a' if x else '*.b' }}.example/", "?"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let deep = format!("https://{{{{ {}'a'{} }}}}", "(".repeat(1000), ")".repeat(1000));
        assert_eq!(shown(&deep), "?");
        let many = "{{ 'a' if x else 'b' }}".repeat(100);
        assert_eq!(shown(&format!("https://{many}.example/")), "?");
        assert_eq!(shown(&format!("https://{}.example/", "a".repeat(10_000))), "?");
    }

    proptest! {
        #[test]
        fn no_template_is_a_reason_to_panic(text in ".*", expression in "[a-c'\"(){}\\[\\].,|~+ ]{0,20}(config|parameters|if|else|or)?") {
            let _ = shown(&text);
            let _ = shown(&format!("https://{{{{ {expression} }}}}/{text}"));
            let _ = shown(&format!("{{{{ config['a']{expression} }}}}"));
        }
    }
}
