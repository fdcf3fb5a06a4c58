//! Lines as a source prints them: what tests give to `write`.

/// A RECORD line of a source.
pub fn record_line(stream: &str, number: u64) -> String {
    format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"{stream}\",\"data\":{{\"n\":{number}}},\"emitted_at\":1}}}}\n"
    )
}

/// A STATE line of a source.
pub fn state_line(stream: &str, number: u64) -> String {
    format!(
        "{{\"type\":\"STATE\",\"state\":{{\"type\":\"STREAM\",\"stream\":{{\"stream_descriptor\":{{\"name\":\"{stream}\"}},\
         \"stream_state\":{{\"n\":{number}}}}},\"sourceStats\":{{\"recordCount\":1.0}}}}}}\n"
    )
}

/// A STREAM_STATUS line of a source.
pub fn status_line(stream: &str, status: &str) -> String {
    format!(
        "{{\"type\":\"TRACE\",\"trace\":{{\"type\":\"STREAM_STATUS\",\"emitted_at\":1,\"stream_status\":\
         {{\"stream_descriptor\":{{\"name\":\"{stream}\"}},\"status\":\"{status}\"}}}}}}\n"
    )
}
