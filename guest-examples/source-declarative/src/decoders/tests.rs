//! What bodies become. The expected values are those of the Python CDK (and of `xmltodict` and `csv` behind it).

use airlock_sdk::http::Client;
use airlock_sdk::testing::{Host, HttpResponse as Answer, Run};
use serde_json::{Value, json};

use super::*;
use crate::manifest::Remarks;

/// The bodies that a decoder finds in a response, and the failure behind them.
fn decoded(decoder: &Value, answer: Answer) -> (Vec<Value>, Option<String>, Run) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let decoder = decoder.clone();
    let mut answer = Some(answer);
    let host = Host::new().answering(move |_| answer.take().unwrap_or_else(|| Answer::new(500)));
    let run = host.run(move || {
        let decoder: Decoder = Node::root(&decoder, &Remarks::default()).read()?;
        let response = HttpResponse::of(Client::new("http://127.0.0.1/")?.get("x").send()?);
        let bodies: Vec<Result<Value>> = match decoder.decode(&response) {
            Decoded::Page(page) => match page.root().elements() {
                Some(bodies) => bodies.map(|body| Ok(serde_json::from_str(body.text())?)).collect(),
                None => vec![Ok(serde_json::from_str(page.root().text())?)],
            },
            Decoded::Values(bodies) => bodies.into_iter().map(Ok).collect(),
            Decoded::Streamed(streamed) => {
                streamed.bodies().map_or_else(|failure| vec![Err(failure)], Iterator::collect)
            }
        };
        let failure = bodies.iter().find_map(|body| body.as_ref().err().map(ToString::to_string));
        sender.send((bodies.into_iter().filter_map(Result::ok).collect::<Vec<_>>(), failure)).map_err(Into::into)
    });
    let (bodies, failure) = receiver.try_recv().unwrap_or_else(|_| panic!("{:?}", run.result));
    (bodies, failure, run)
}

fn bodies(decoder: &Value, body: &[u8]) -> Vec<Value> {
    let (bodies, failure, _) = decoded(decoder, Answer::new(200).body(body));
    assert_eq!(failure, None);
    bodies
}

#[test]
fn json_is_what_python_takes_for_it_and_nothing_else_is_an_error() {
    let decoder = json!({"type": "JsonDecoder"});
    for (body, expected) in [
        ("[]", json!([])),
        ("{}", json!([{}])),
        ("null", json!([null])),
        ("5", json!([5])),
        (r#"[1, null, {"a": 1}, [2]]"#, json!([1, null, {"a": 1}, [2]])),
        ("not json", json!([{}])),
        ("", json!([{}])),
        (
            r#"{"a": NaN, "b": "NaN \" Infinity", "c": [-Infinity, -1, Infinity]}"#,
            json!([{"a": null, "b": "NaN \" Infinity", "c": [null, -1, null]}]),
        ),
        (r#"{"a": NaN"#, json!([{}])),
        (r#"{"a": None}"#, json!([{}])),
    ] {
        assert_eq!(Value::from(bodies(&decoder, body.as_bytes())), expected, "{body}");
    }
    assert_eq!(bodies(&decoder, b"{\"a\": \"\xe9\"}"), [json!({})]);
    let (_, _, run) = decoded(&decoder, Answer::new(200).body("<html>"));
    assert!(format!("{:?}", run.events).contains("what is no JSON"), "{:?}", run.events);
}

#[test]
fn lines_are_bodies_and_a_line_that_is_no_json_is_passed_over() {
    let decoder = json!({"type": "JsonlDecoder"});
    let body = "{\"a\":1}\n\nnot\n[{\"a\":2},{\"a\":3}]\n{\"a\":NaN}\r\n{\"a\":4}";
    let expected = [json!({"a": 1}), json!([{"a": 2}, {"a": 3}]), json!({"a": null}), json!({"a": 4})];
    assert_eq!(bodies(&decoder, body.as_bytes()), expected);
    let (found, failure, _) = decoded(&decoder, Answer::new(200).body(b"{\"a\":1}\n{\"a\":\"\xe9\"}\n{\"a\":2}"));
    assert_eq!((found, failure.as_deref()), (vec![json!({"a": 1})], Some("Line 2 of a response's body is no UTF-8.")));
    let decoder = json!({"type": "IterableDecoder"});
    let expected = ["l1", "l2", "", "l3"].map(|line| json!({"record": line}));
    assert_eq!(bodies(&decoder, b"l1\r\nl2\n\nl3"), expected);
    assert_eq!(bodies(&decoder, b"l1\n"), [json!({"record": "l1"})]);
}

#[test]
fn csv_is_read_as_python_reads_it() {
    let csv = |fields: &Value, body: &[u8]| {
        let mut decoder = json!({"type": "CsvDecoder"});
        decoder.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Value::from(bodies(&decoder, body))
    };
    let body = "a,b\n1,2\n\n3\n4,5,6,7\n\"x \"\"q\"\" y\",'z'\n\"l1\r\nl2\",q\"r\"\n\"ab\"c,d\n";
    let expected = json!([
        {"a": "1", "b": "2"},
        {"a": "3", "b": null},
        {"a": "4", "b": "5", "null": ["6", "7"]},
        {"a": "x \"q\" y", "b": "'z'"},
        {"a": "l1\nl2", "b": "q\"r\""},
        {"a": "abc", "b": "d"},
    ]);
    assert_eq!(csv(&json!({}), body.as_bytes()), expected);
    for (fields, body, expected) in [
        (json!({}), "a,a,b\r\n1,2,3\r\n", json!([{"a": "2", "b": "3"}])),
        (json!({}), "\u{feff}a,b\n1,2\n", json!([{"\u{feff}a": "1", "b": "2"}])),
        (json!({"encoding": "utf-8-sig"}), "\u{feff}a,b\n1,2\n", json!([{"a": "1", "b": "2"}])),
        (
            json!({"delimiter": "\\t", "set_values_to_none": ["", "NULL"]}),
            "a\tb\n\tx\nNULL\t y\n",
            json!([{"a": null, "b": "x"}, {"a": null, "b": " y"}]),
        ),
        (json!({}), "\na,b\n1,2\n", json!([{"null": ["a", "b"]}, {"null": ["1", "2"]}])),
        (json!({}), "", json!([])),
        (json!({}), "a,b\n1,\"x\ny", json!([{"a": "1", "b": "x\ny"}])),
        (json!({}), "a\n\"\"\n", json!([{"a": ""}])),
    ] {
        assert_eq!(csv(&fields, body.as_bytes()), expected, "{body:?}");
    }
    assert_eq!(csv(&json!({"encoding": "latin-1"}), b"a\n\xe9\n"), json!([{"a": "é"}]));
    assert_eq!(csv(&json!({"encoding": "cp1252"}), b"a\n\x80\xe9\n"), json!([{"a": "€é"}]));
    let (_, failure, _) = decoded(&json!({"type": "CsvDecoder"}), Answer::new(200).body(b"a\n\xe9\n"));
    assert!(failure.unwrap().contains("encoding"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_bodies_are_read_whether_they_are_compressed_or_not() {
    let of = |decoder: Value| json!({"type": "GzipDecoder", "decoder": decoder});
    let (json_decoder, csv) = (json!({"type": "JsonDecoder"}), json!({"type": "CsvDecoder"}));
    let (one, two) = (json!({"a": 1}), json!({"a": 2}));
    assert_eq!(bodies(&of(json_decoder.clone()), &gzip(br#"[{"a":1},{"a":2}]"#)), [one.clone(), two]);
    assert_eq!(bodies(&of(json_decoder.clone()), br#"{"a":1}"#), std::slice::from_ref(&one));
    assert_eq!(bodies(&of(of(csv)), &gzip(&gzip(b"a\n1\n"))), [json!({"a": "1"})]);
    let (_, failure, _) = decoded(&of(json_decoder), Answer::new(200).body("{\"a\":"));
    assert_eq!(failure.as_deref(), Some("Response JSON data failed to be parsed."));
    let cut_off = gzip(&b"{\"a\":1}\n".repeat(10));
    let cut_off = &cut_off[..cut_off.len() - 9];
    let (found, failure, _) = decoded(&of(json!({"type": "JsonlDecoder"})), Answer::new(200).body(cut_off));
    assert_eq!((found, failure.is_some()), (vec![one; 10], true));
}

fn zip_of(files: &[(&str, &[u8])], is_compressed: bool) -> Vec<u8> {
    let method = if is_compressed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, options).unwrap();
        std::io::Write::write_all(&mut archive, content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn all_files_of_an_archive_are_read() {
    let of = |kind: &str| json!({"type": "ZipfileDecoder", "decoder": {"type": kind}});
    let lines = of("JsonlDecoder");
    let [one, two, three] = [1, 2, 3].map(|a| json!({"a": a}));
    let files: &[(&str, &[u8])] =
        &[("a.json", b"{\"a\":1}\n{\"a\":2}\n"), ("d/", b""), ("d/é.json", b"nope\n{\"a\":3}")];
    let expected = [one.clone(), two.clone(), three.clone()];
    for archive in [zip_of(files, true), zip_of(files, false)] {
        assert_eq!(bodies(&lines, &archive), expected);
        // What is around it does not matter.
        assert_eq!(bodies(&lines, &[b"JUNK", archive.as_slice()].concat()), expected);
        assert_eq!(bodies(&lines, &[archive.as_slice(), b"JUNK"].concat()), expected);
    }
    assert_eq!(bodies(&lines, &zip_of(&[], true)), Vec::<Value>::new());
    assert_eq!(bodies(&of("JsonDecoder"), &zip_of(&[("a", br#"[{"a":1},{"a":2}]"#)], true)), [one.clone(), two]);
    let tables: &[(&str, &[u8])] = &[("a", b"a,b\n1,2\n"), ("b", b"c\n3\n")];
    assert_eq!(bodies(&of("CsvDecoder"), &zip_of(tables, true)), [json!({"a": "1", "b": "2"}), json!({"c": "3"})]);
    let compressed =
        json!({"type": "ZipfileDecoder", "decoder": {"type": "GzipDecoder", "decoder": {"type": "JsonlDecoder"}}});
    assert_eq!(bodies(&compressed, &zip_of(&[("a", &gzip(b"{\"a\":1}\n"))], true)), std::slice::from_ref(&one));

    let fails = |decoder: &Value, body: &[u8]| {
        let (found, failure, _) = decoded(decoder, Answer::new(200).body(body));
        (found, failure.unwrap_or_default())
    };
    let (found, failure) =
        fails(&of("JsonDecoder"), &zip_of(&[("a", b"[{\"a\":1}]"), ("b", b"{"), ("c", b"[{\"a\":3}]")], true));
    assert_eq!(found, std::slice::from_ref(&one));
    assert!(failure.contains("\"b\" of a response's ZIP archive") && failure.contains("JSON"), "{failure}");
    let stored = zip_of(&[("a", b"{\"a\":1}"), ("b", b"{\"a\":1}")], false);
    let place = stored.windows(7).position(|bytes| bytes == b"{\"a\":1}").unwrap();
    let mut damaged = stored.clone();
    damaged[place + 5] = b'9';
    let mut encrypted = stored.clone();
    let entry = stored.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    encrypted[6] |= 1;
    encrypted[entry + 8] |= 1;
    let mut other_method = stored.clone();
    other_method[8] = 12;
    other_method[entry + 10] = 12;
    for body in [b"hello".as_slice(), b"", &stored[..stored.len() - 30], &damaged, &encrypted, &other_method] {
        let (found, failure) = fails(&lines, body);
        assert!(found.is_empty() && failure.starts_with("Received an invalid zip file"), "{found:?} {failure}");
    }
}

#[test]
fn an_archive_with_too_much_in_it_is_refused() {
    let manifest = json!({"type": "ZipfileDecoder", "decoder": {"type": "JsonlDecoder"}});
    let file: ZipFile = Node::root(&manifest, &Remarks::default()).read().unwrap();
    let archive = zip_of(&[("a", b"{\"a\":1}"), ("b", &b" ".repeat(1 << 20))], true);
    assert!(archive.len() < 2000);
    assert_eq!(file.bodies_up_to(1 << 20, &archive).unwrap().filter_map(Result::ok).count(), 1);
    let bodies: Vec<Result<Value>> = file.bodies_up_to((1 << 20) - 1, &archive).unwrap().collect();
    let [Ok(_), Err(failure)] = bodies.as_slice() else { panic!("{bodies:?}") };
    assert!(failure.message.contains("\"b\" of a response's ZIP archive is longer than the 1048575 bytes"));
}

#[test]
fn items_are_the_elements_of_the_list_at_a_path() {
    let of = |path: &str, body: &str| bodies(&json!({"type": "JsonItemsDecoder", "items_path": path}), body.as_bytes());
    let body = r#"{"data":{"users":[{"a":1},{"a":2.5}],"x":1}}"#;
    assert_eq!(of("data.users", body), [json!({"a": 1}), json!({"a": 2.5})]);
    assert_eq!(of("nope", body), Vec::<Value>::new());
    assert_eq!(of("data.x", body), Vec::<Value>::new());
    assert_eq!(of("item.a", r#"[{"a":[1]},{"a":[2,3]}]"#), [1, 2, 3].map(Value::from));
    let of_latin = json!({"type": "JsonItemsDecoder", "items_path": "data", "encoding": "iso-8859-1"});
    assert_eq!(bodies(&of_latin, b"{\"data\":[\"\xe9\",\"\xc3\xa9\"]}"), ["é", "Ã©"].map(Value::from));
    let decoder = json!({"type": "JsonItemsDecoder", "items_path": "data"});
    assert!(decoded(&decoder, Answer::new(200).body("{\"data\":[{\"a\":1},")).1.is_some());
}

#[test]
fn xml_has_the_shape_of_xmltodict() {
    for (document, expected) in [
        ("<a/>", json!({"a": null})),
        ("<a>x</a>", json!({"a": "x"})),
        ("<a> x\n </a>", json!({"a": "x"})),
        ("<a b=\"1\"/>", json!({"a": {"@b": "1"}})),
        ("<a b=\"1\">x</a>", json!({"a": {"@b": "1", "#text": "x"}})),
        ("<a><b>1</b><b>2</b><c/></a>", json!({"a": {"b": ["1", "2"], "c": null}})),
        ("<a><b>1</b><c>2</c><b>3</b></a>", json!({"a": {"b": ["1", "3"], "c": "2"}})),
        ("<a>x<b/>y</a>", json!({"a": {"b": null, "#text": "xy"}})),
        ("<a>x<b>1</b>y<b>2</b>z</a>", json!({"a": {"b": ["1", "2"], "#text": "xyz"}})),
        (
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><a><!-- d --><?pi x?>&lt;&amp;&#65;&#x42;</a>",
            json!({"a": "<&AB"}),
        ),
        ("<a><![CDATA[<b>&amp;]]> c</a>", json!({"a": "<b>&amp; c"})),
        (
            "<n:a xmlns:n=\"http://n\"><n:b n:x=\"1\"/></n:a>",
            json!({"n:a": {"@xmlns:n": "http://n", "n:b": {"@n:x": "1"}}}),
        ),
        ("<a b=\"x&quot;y\n z\t&#10;\"/>", json!({"a": {"@b": "x\"y  z \n"}})),
        ("<a>x\r\ny\rz</a>", json!({"a": "x\ny\nz"})),
        ("<!DOCTYPE a [<!ENTITY e \"v\">]><a>1&e;2</a>", json!({"a": "12"})),
        ("<a>é</a>", json!({"a": "é"})),
        ("<a b=\"1\">x<b>y</b></a>", json!({"a": {"@b": "1", "b": "y", "#text": "x"}})),
        ("<a><b at=\"1\"/><b>t</b><b><c>1</c></b></a>", json!({"a": {"b": [{"@at": "1"}, "t", {"c": "1"}]}})),
        ("<a/>\n<!-- after -->\n", json!({"a": null})),
        ("<a>\u{a0}x\u{a0}</a>", json!({"a": "x"})),
        ("<a b=\"\">  </a>", json!({"a": {"@b": ""}})),
        ("<a b='&lt;'/>", json!({"a": {"@b": "<"}})),
        ("\u{feff}<a/>", json!({"a": null})),
        ("<!DOCTYPE a SYSTEM \"x.dtd\"><a>1&e;2</a>", json!({"a": "12"})),
        ("<a xml:lang=\"en\">x</a>", json!({"a": {"@xml:lang": "en", "#text": "x"}})),
    ] {
        assert_eq!(xml::parse(document), Ok(expected), "{document}");
    }
    for document in [
        "",
        "  ",
        "x",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a>&nope;</a>",
        "<a b=1/>",
        "<a b=\"1\" b=\"2\"/>",
        "<a>1 & 2</a>",
        "<a/>junk",
        "<a>&#0;</a>",
    ] {
        assert!(xml::parse(document).is_err(), "{document}: {:?}", xml::parse(document));
    }
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(xml::parse(&deep).is_err());
}

#[test]
fn xml_is_in_the_encoding_that_is_said() {
    let decoder = json!({"type": "XmlDecoder"});
    let of = |answer: Answer| decoded(&decoder, answer).0;
    let expected = [json!({"a": "é"})];
    assert_eq!(of(Answer::new(200).body("<a>é</a>")), expected);
    assert_eq!(
        of(Answer::new(200).header("Content-Type", "text/xml; charset=\"ISO-8859-1\"").body(b"<a>\xe9</a>")),
        expected
    );
    let declared = b"<?xml version='1.0' encoding='latin-1'?><a>\xe9</a>";
    assert_eq!(of(Answer::new(200).body(declared)), expected);
    assert_eq!(of(Answer::new(200).body("no XML")), [json!({})]);
}

#[test]
fn what_is_not_supported_is_said() {
    let read = |decoder: Value| Node::root(&decoder, &Remarks::default()).read::<Decoder>().map(drop).unwrap_err();
    assert_eq!(
        read(json!({"type": "CustomDecoder", "class_name": "x.Y"})).reason,
        crate::manifest::Reason::NeedsPython
    );
    assert_eq!(read(json!({"type": "CsvDecoder", "encoding": "koi8-r"})).reason, crate::manifest::Reason::Unsupported);
    assert_eq!(read(json!({"type": "CsvDecoder", "delimiter": "||"})).reason, crate::manifest::Reason::Invalid);
    assert_eq!(read(json!({"type": "JsonItemsDecoder", "items_path": ""})).reason, crate::manifest::Reason::Invalid);
}
