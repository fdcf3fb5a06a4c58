//! A path below a URL, joined as Python's `urllib.parse.urljoin` does. Works on the text alone, and knows nothing of what a URL may be.

/// The parts of a URL as `urllib.parse.urlparse` has them.
struct Parts<'a> {
    scheme: String,
    authority: &'a str,
    path: &'a str,
    parameters: &'a str,
    query: &'a str,
    fragment: &'a str,
}

/// What `url` leads to from `base`.
pub fn join(base: &str, url: &str) -> String {
    if base.is_empty() {
        return url.to_owned();
    }
    if url.is_empty() {
        return base.to_owned();
    }
    let (clean_base, clean_url) = (cleaned(base), cleaned(url));
    let base = split(&clean_base, "");
    let parts = split(&clean_url, &base.scheme);
    if parts.scheme != base.scheme || !matches!(parts.scheme.as_str(), "" | "http" | "https") {
        return url.to_owned();
    }
    if !parts.authority.is_empty() {
        return unsplit(&parts, parts.path, parts.parameters, parts.query);
    }
    let parts = Parts { authority: base.authority, ..parts };
    if parts.path.is_empty() && parts.parameters.is_empty() {
        let query = if parts.query.is_empty() { base.query } else { parts.query };
        return unsplit(&parts, base.path, base.parameters, query);
    }
    let path = resolved(base.path, parts.path);
    unsplit(&parts, &path, parts.parameters, parts.query)
}

fn resolved(base: &str, path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    if path.starts_with('/') {
        segments.extend(path.split('/'));
    } else {
        segments.extend(base.split('/'));
        if segments.last().is_some_and(|last| !last.is_empty()) {
            segments.pop();
        }
        segments.extend(path.split('/'));
        let last = segments.len().saturating_sub(1);
        let mut index = 0;
        segments.retain(|segment| {
            let kept = index == 0 || index == last || !segment.is_empty();
            index += 1;
            kept
        });
    }
    let mut resolved: Vec<&str> = Vec::new();
    for segment in &segments {
        match *segment {
            ".." => {
                resolved.pop();
            }
            "." => {}
            segment => resolved.push(segment),
        }
    }
    if matches!(segments.last(), Some(&("." | ".."))) {
        resolved.push("");
    }
    match resolved.join("/") {
        empty if empty.is_empty() => "/".to_owned(),
        path => path,
    }
}

/// What Python takes away before it looks at a URL.
fn cleaned(url: &str) -> String {
    let control_or_space = |character: char| character <= ' ';
    url.trim_start_matches(control_or_space).replace(['\t', '\r', '\n'], "")
}

fn split<'a>(url: &'a str, default_scheme: &str) -> Parts<'a> {
    let (scheme, rest) = match url.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        _ => (default_scheme.to_owned(), url),
    };
    let (authority, rest) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // Parameters of the last segment.
    let last_segment = path.rfind('/').unwrap_or(0);
    let (path, parameters) = match path.get(last_segment..).and_then(|last| last.find(';')) {
        Some(semicolon) => {
            let (path, parameters) = path.split_at(last_segment + semicolon);
            (path, parameters.strip_prefix(';').unwrap_or_default())
        }
        None => (path, ""),
    };
    Parts { scheme, authority, path, parameters, query, fragment }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.'))
}

fn unsplit(parts: &Parts<'_>, path: &str, parameters: &str, query: &str) -> String {
    let mut url = path.to_owned();
    if !parameters.is_empty() {
        url = format!("{url};{parameters}");
    }
    if !parts.authority.is_empty() || !parts.scheme.is_empty() && !url.starts_with("//") {
        let slash = if url.is_empty() || url.starts_with('/') { "" } else { "/" };
        url = format!("//{}{slash}{url}", parts.authority);
    }
    if !parts.scheme.is_empty() {
        url = format!("{}:{url}", parts.scheme);
    }
    if !query.is_empty() {
        url = format!("{url}?{query}");
    }
    if !parts.fragment.is_empty() {
        url = format!("{url}#{}", parts.fragment);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::join;

    /// What `urllib.parse.urljoin` gives.
    const JOINED: [(&str, &str, &str); 20] = [
        ("https://x.io/api", "users", "https://x.io/users"),
        ("https://x.io/api/", "users", "https://x.io/api/users"),
        ("https://x.io/api/v1/", "../users", "https://x.io/api/users"),
        ("https://x.io/api/", "./a/../b/.", "https://x.io/api/b/"),
        ("https://x.io/api/", "a//b", "https://x.io/api/a/b"),
        ("https://x.io/api/", "/root", "https://x.io/root"),
        ("https://x.io/api/", "//y.io/p", "https://y.io/p"),
        ("https://x.io/api/", "http://y.io/p?q=1", "http://y.io/p?q=1"),
        ("https://x.io/api/", "?page=2", "https://x.io/api/?page=2"),
        ("https://x.io/api?key=1/", "users", "https://x.io/users"),
        ("https://x.io/", "users/1:batch", "https://x.io/users/1:batch"),
        ("https://x.io/", "a:b", "a:b"),
        ("https://x.io/", "HTTPS:b", "https://x.io/b"),
        ("https://x.io/a/", "x;p=1?q#f", "https://x.io/a/x;p=1?q#f"),
        ("https://x.io/a;k/", ";v", "https://x.io/a;k/;v"),
        ("https://x.io/", "users?next=http://z/..;a", "https://x.io/users?next=http://z/..;a"),
        ("https://x.io/a/b/", "../../../c", "https://x.io/c"),
        ("x.io/api/", "users", "x.io/api/users"),
        ("https://x.io/a/", " users\n/me", "https://x.io/a/users/me"),
        ("https://x.io/é/", "ü?ä=ö", "https://x.io/é/ü?ä=ö"),
    ];

    #[test]
    fn urls_are_joined_as_python_does() {
        for (base, url, joined) in JOINED {
            assert_eq!(join(base, url), joined, "{base} and {url}");
        }
    }
}
