//! Manifests as people mistype them, and what they are told: an error with its place, or a warning where the Python CDK reads on in silence.

use super::*;

const MANIFEST: &str = r##"
version: 6.0.0
type: DeclarativeSource
check:
  type: CheckStream
  stream_names: [users]
definitions:
  requester:
    type: HttpRequester
    url_base: http://api.example
    http_method: GET
    authenticator: {type: BearerAuthenticator, api_token: "{{ config['api_key'] }}"}
streams:
  - type: DeclarativeStream
    name: users
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester:
        $ref: "#/definitions/requester"
        path: "users/{{ config['account'] }}"
        error_handler:
          type: DefaultErrorHandler
          response_filters:
            - {type: HttpResponseFilter, action: IGNORE, http_codes: [404]}
      record_selector:
        type: RecordSelector
        extractor: {type: DpathExtractor, field_path: []}
        record_filter: {type: RecordFilter, condition: "{{ record.id > 0 }}"}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
        pagination_strategy: {type: PageIncrement, page_size: 50}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated
      datetime_format: "%Y-%m-%d"
      start_datetime: "2024-01-01"
      step: P1D
      cursor_granularity: P1D
    schema_loader: {type: InlineSchemaLoader, schema: {type: object}}
spec:
  type: Spec
  connection_specification:
    type: object
    properties: {api_key: {type: string}, account: {type: string}}
"##;

/// What `spec` says of the manifest with one change: the failure, if there is one, and the logs.
fn told(written: &str, mistyped: &str) -> (Option<Failure>, Vec<String>) {
    assert!(written.is_empty() || MANIFEST.contains(written), "{written}");
    let manifest = match written {
        "" => mistyped.to_owned(),
        written => MANIFEST.replacen(written, mistyped, 1),
    };
    let (spec, logs) = with_files(&[("manifest.yaml", manifest)], || run(|| Declarative::specification().to_json()));
    (spec.err(), logs)
}

#[test]
fn what_is_right_is_told_nothing() {
    assert_eq!(told("version: 6.0.0", "version: 6.0.0"), (None, Vec::new()));
}

#[test]
fn what_is_mistyped_is_an_error_that_says_what_is_meant() {
    let in_users = "streams[0]";
    for (written, mistyped, expected) in [
        (
            "requester:\n        $ref",
            "reqester:\n        $ref",
            ".retriever lacks the field requester; it has reqester, perhaps that is meant.",
        ),
        ("retriever:", "retreiver:", " lacks the field retriever; it has retreiver, perhaps that is meant."),
        (
            "field_path: []",
            "field_pth: []",
            ".extractor lacks the field field_path; it has field_pth, perhaps that is meant.",
        ),
        ("url_base:", "url_bse:", ".requester lacks the field url_base; it has url_bse, perhaps that is meant."),
        ("$ref:", "ref:", ".requester lacks the field url_base; it has ref, perhaps $ref is meant."),
        (
            "      record_selector:\n        type: RecordSelector\n        extractor",
            "        record_selector:\n          type: RecordSelector\n          extractor",
            ".retriever lacks the field record_selector; requester in it has one, which may be a level too deep.",
        ),
        (
            "PageIncrement",
            "PageIncremnt",
            ".pagination_strategy is of the type PageIncremnt (did you mean PageIncrement?), and must be one of CursorPagination, ",
        ),
        (
            "request_parameter",
            "request_params",
            ".page_token_option.inject_into is \"request_params\" (did you mean request_parameter?), and must be one of ",
        ),
        (
            "http_method: GET",
            "http_method: GTE",
            ".requester.http_method is \"GTE\" (did you mean GET?), and must be one of GET, POST.",
        ),
        (
            "action: IGNORE",
            "action: IGNOR",
            "[0].action is \"IGNOR\" (did you mean IGNORE?), and must be one of SUCCESS, ",
        ),
        ("http_codes: [404]", "http_codes: 404", "[0].http_codes is a number, and must be a list."),
        ("field_path: []", "field_path: data", ".field_path is a string, and must be a list."),
        ("page_size: 50", "page_size: fifty", ".page_size is a string, and must be a whole number or a template."),
        (
            "path: \"users/{{ config['account'] }}\"",
            "path: [users]",
            ".requester.path is a list, and must be a string.",
        ),
        (
            "step: P1D",
            "step: 1 day",
            ".incremental_sync.step is wrong: \"1 day\" is no duration of ISO 8601, as P1D or PT1H is one.",
        ),
        (
            "step: P1D",
            "step: 30",
            ".incremental_sync.step is wrong: \"30\" is no duration of ISO 8601, as P1D or PT1H is one.",
        ),
        (
            "error_handler:",
            "request_body: {type: RequestBodyGraphQL, value: {qery: a}}\n        error_handler:",
            ".requester.request_body.value lacks the field query.",
        ),
        (
            "authenticator: {type: BearerAuthenticator, api_token: \"{{ config['api_key'] }}\"}",
            "authenticator: {type: BearerAuthenticator, token: \"{{ config['api_key'] }}\"}",
            ".authenticator lacks the field api_token; it has token, perhaps that is meant.",
        ),
        ("name: users", "nmae: users", " lacks the field name; it has nmae, perhaps that is meant."),
    ] {
        let (failure, logs) = told(written, mistyped);
        let failure = failure.unwrap_or_else(|| panic!("{mistyped}: no failure, {logs:?}"));
        assert!(
            failure.message.contains(in_users) && failure.message.contains(expected),
            "{mistyped}: {}",
            failure.message
        );
        assert_eq!((failure.kind, logs), (FailureKind::ConfigError, Vec::new()), "{mistyped}");
    }
}

#[test]
fn what_is_no_manifest_is_an_error() {
    for (written, mistyped, expected) in [
        ("check:", "chek:", "the manifest lacks the field check; it has chek, perhaps that is meant."),
        ("streams:", "strems:", "the manifest lacks the field streams; it has strems, perhaps that is meant."),
        (
            "type: DeclarativeSource",
            "type: Source",
            "the manifest is of the type Source, and must be DeclarativeSource.",
        ),
        (
            "\"#/definitions/requester\"",
            "\"#/definitions/reqester\"",
            ".requester.$ref refers to #/definitions/reqester, which the manifest does not have (perhaps #/definitions/requester is meant).",
        ),
        (
            "\"#/definitions/requester\"",
            "#/definitions/requester",
            ".requester.$ref is empty: a reference must be in quotes, since # begins a comment.",
        ),
        (
            "authenticator: {",
            "authenticator: {$ref: \"#/definitions/requester\", ",
            "refers to #/definitions/requester, which it is a part of itself.",
        ),
        (
            "  - type: DeclarativeStream",
            "  - users\n  - type: DeclarativeStream",
            "streams[0] is a string, and must be a component (an object with a type); it is \"users\", and a reference to a component begins with #/.",
        ),
        ("    name: users", "\tname: users", "line 15 begins with a tab, and only spaces may stand there."),
        ("    name: users", "     name: users", "The manifest is no YAML that can be read: "),
        (
            "\"users/{{ config['account'] }}\"",
            "{{ config['account'] }}",
            "a value that begins with a template must be in quotes, as in \"{{ config['key'] }}\"",
        ),
        (
            "\"users/{{ config['account'] }}\"",
            "{{ config.account }}",
            "a value that begins with a template must be in quotes, as in \"{{ config['key'] }}\"",
        ),
        ("", "", "The manifest can not be used: it is empty: it must have the fields version, check and streams."),
        (
            "",
            "- version: 6.0.0",
            "The manifest can not be used: it is a list: it must have the fields version, check and streams.",
        ),
    ] {
        let (failure, logs) = told(written, mistyped);
        let failure = failure.unwrap_or_else(|| panic!("{mistyped}: no failure, {logs:?}"));
        assert!(failure.message.contains(expected), "{mistyped}: {}", failure.message);
        assert_eq!((failure.kind, logs), (FailureKind::ConfigError, Vec::new()), "{mistyped}");
    }
}

#[test]
fn what_the_cdk_reads_in_silence_is_a_warning() {
    for (written, mistyped, expected) in [
        (
            "primary_key: [id]",
            "primary_key: [id]\n    primary_key: id",
            "line 17 gives the field primary_key once more to an object that has it: what it had has no effect.",
        ),
        (
            "record.id > 0",
            "records.id > 0",
            "streams[0].retriever.record_selector.record_filter.condition names records, which no template has (perhaps record is meant).",
        ),
        (
            "paginator:",
            "paginatr:",
            "streams[0].retriever.paginatr is no field of SimpleRetriever, and has no effect (perhaps paginator is meant).",
        ),
        (
            "primary_key:",
            "primery_key:",
            "streams[0].primery_key is no field of DeclarativeStream, and has no effect (perhaps primary_key is meant).",
        ),
        (
            "authenticator:",
            "autenticator:",
            "streams[0].retriever.requester.autenticator is no field of HttpRequester, and has no effect (perhaps authenticator is meant).",
        ),
        (
            "http_codes:",
            "http_cods:",
            ".http_cods is no field of HttpResponseFilter, and has no effect (perhaps http_codes is meant).",
        ),
        (
            "config['account']",
            "config['acount']",
            "streams[0].retriever.requester.path names the field \"acount\" of the configuration, which the spec does not have (perhaps account is meant).",
        ),
        (
            "{{ record.id > 0 }}",
            "record.id > 0",
            ".record_filter.condition is no template, and so it always holds: a condition stands in {{ and }}.",
        ),
        (
            "\"%Y-%m-%d\"",
            "YYYY-MM-DD",
            ".datetime_format is no format that a date is read by: it has no directives, as %Y-%m-%d has.",
        ),
        ("\"%Y-%m-%d\"", "\"%Y-%m-%Q\"", ".datetime_format is no format that a date is read by: %Q is no directive."),
        (
            "config['account'] }}",
            "config['account'] }",
            ".requester.path is no template that can be read, and what needs it fails: } closes nothing.",
        ),
        (
            "config['account'] }}",
            "config['account'] | uppper }}",
            ".requester.path is no template that can be read, and what needs it fails: there is no filter uppper (did you mean upper?).",
        ),
        (
            "\n      paginator:",
            "\n      paginator:\n      pager:",
            "streams[0].retriever.paginator is empty, and has no effect.",
        ),
        (
            "stream_names: [users]",
            "dynamic_streams_check_config: []",
            "check lacks the field stream_names, or dynamic_streams_check_configs: the check will fail.",
        ),
        (
            "stream_names: [users]",
            "stream_names: [user]",
            "check.stream_names[0] is user, and the manifest has no such stream (perhaps users is meant): the check will fail.",
        ),
        (
            "streams:\n",
            "streams:\n  - {type: DeclarativeStream, name: users, retriever: {requester: {url: \"http://api.example\"}, record_selector: {extractor: {field_path: []}}}}\n",
            "streams has more than one stream of the name \"users\": the last of them is read.",
        ),
    ] {
        let (failure, logs) = told(written, mistyped);
        assert_eq!(failure, None, "{mistyped}");
        assert!(logs.iter().any(|log| log.ends_with(expected)), "{mistyped}: {logs:?}");
    }
}
