//! What an AsyncRetriever was called by before CDK 6.37, in the words of today: `urls_extractor`, `url_requester`, and the responses in
//! a slice. Knows nothing of what the names mean beyond that.

use serde_json::{Value, json};

use crate::manifest::{self, Node, Object};

const NAMES: [(&str, &str); 2] =
    [("urls_extractor", "download_target_extractor"), ("url_requester", "download_target_requester")];

/// The first version in which a manifest may say what a download is.
const FIRST_WITH_DOWNLOAD_EXTRACTOR: [u64; 3] = [6, 7, 2];

/// The retriever with the names of today. None where it has them already.
///
/// The CDK itself takes the old names for fields of no meaning, begins jobs, and fails where it asks for them.
pub fn renamed(node: &Node<'_>) -> manifest::Result<Option<Value>> {
    let Value::Object(fields) = node.value else { return Ok(None) };
    if !NAMES.iter().any(|(old, new)| fields.contains_key(*old) && !fields.contains_key(*new)) {
        return Ok(None);
    }
    let mut renamed = Object::new();
    for (name, field) in node.entries()? {
        let value = translated(&field, name == "download_requester")?;
        let name = NAMES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
        renamed.insert(name.to_owned(), value);
    }
    let says_what_is_downloaded =
        renamed.contains_key("download_extractor") || renamed.contains_key("download_decoder");
    if !says_what_is_downloaded {
        match version(node.version) {
            Some(version) if version < FIRST_WITH_DOWNLOAD_EXTRACTOR => {
                renamed.insert("download_extractor".to_owned(), json!({"type": "ResponseToFileExtractor"}));
            }
            Some(_) => {}
            None => {
                return Err(node.unsupported(
                    "has urls_extractor, a name of before CDK 6.37, and no download_extractor: without the manifest's \
                     version it is not known what is downloaded",
                ));
            }
        }
    }
    node.remark(
        "has names of before CDK 6.37, which are understood: urls_extractor is download_target_extractor today, \
         url_requester download_target_requester, and in templates creation_response, polling_response and \
         download_target stand for what was in the slice",
    );
    Ok(Some(Value::Object(renamed)))
}

fn version(text: &str) -> Option<[u64; 3]> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next().flatten().unwrap_or_default()])
}

/// The same with its templates in the words of today.
fn translated(node: &Node<'_>, is_download: bool) -> manifest::Result<Value> {
    match node.value {
        Value::String(text) => {
            let text = translated_text(text, is_download);
            let is_of_slice = text.contains("stream_slice") || text.contains("stream_partition");
            let old = ["create_job_response", "polling_job_response"].into_iter().find(|old| text.contains(old));
            let url = is_download && is_of_slice && (text.contains("'url'") || text.contains("\"url\""));
            match old.or(url.then_some("url")) {
                None => Ok(Value::String(text)),
                Some(old) => Err(node.unsupported(format!(
                    "asks for {old} of a slice, a name of before CDK 6.37, in a way that is not understood: write \
                     creation_response, polling_response or download_target"
                ))),
            }
        }
        Value::Array(_) => node.elements()?.iter().map(|element| translated(element, is_download)).collect(),
        Value::Object(_) => {
            let entries = node.entries()?.into_iter();
            entries.map(|(name, field)| Ok((name.to_owned(), translated(&field, is_download)?))).collect()
        }
        other => Ok(other.clone()),
    }
}

pub(super) fn translated_text(text: &str, is_download: bool) -> String {
    let mut text = text.to_owned();
    for (old, call, new) in [
        ("create_job_response", ".json()", "creation_response"),
        ("polling_job_response", ".json()", "polling_response"),
        ("url", "", "download_target"),
    ] {
        if old == "url" && !is_download {
            continue;
        }
        for slice in ["stream_slice.extra_fields", "stream_slice", "stream_partition"] {
            for word in [
                format!("{slice}['{old}']{call}"),
                format!("{slice}[\"{old}\"]{call}"),
                format!("{slice}.get('{old}'){call}"),
                format!("{slice}.{old}{call}"),
            ] {
                text = replaced(&text, &word, new);
            }
        }
    }
    text
}

/// With a word in the place of another, where that is not a part of a longer one.
fn replaced(text: &str, word: &str, new: &str) -> String {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut parts = text.split(word);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_longer = word.ends_with(is_letter) && part.starts_with(is_letter);
        replaced.push_str(if is_longer { word } else { new });
        replaced.push_str(part);
    }
    replaced
}
