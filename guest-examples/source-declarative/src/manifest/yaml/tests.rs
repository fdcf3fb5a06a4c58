use super::*;

/// What PyYAML makes of these documents, as JSON.
const READ: [(&str, &str); 18] = [
    (
        "a: yes\nb: No\nc: yEs\nd: y\ne: ON\nf: off\ng: True",
        r#"{"a":true,"b":false,"c":"yEs","d":"y","e":true,"f":false,"g":true}"#,
    ),
    (
        "a: 010\nb: 0x1F\nc: 0b11\nd: 1_000\ne: 1:30\nf: 08\ng: -5\nh: +7\ni: 0\nj: 0o10\nk: -0\nl: 00",
        r#"{"a":8,"b":31,"c":3,"d":1000,"e":90,"f":"08","g":-5,"h":7,"i":0,"j":"0o10","k":0,"l":0}"#,
    ),
    (
        "a: 1.0\nb: 1e3\nc: 1.0e3\nd: 1.0e+3\ne: .5\nf: -.5\ng: 1.\nh: 190:20:30.15\ni: 1_0.5\nj: .inf\nk: -.Inf\nl: .nan\nm: 1.5.2\nn: .",
        r#"{"a":1.0,"b":"1e3","c":"1.0e3","d":1000.0,"e":0.5,"f":"-.5","g":1.0,"h":685230.15,"i":10.5,"j":null,"k":null,"l":null,"m":"1.5.2","n":"."}"#,
    ),
    (
        "a: 2020-01-01\nb: 2020-1-1\nc: 2020-01-01T00:00:00Z\nd: 2020-01-01 10:20:30.5\ne: 2020-01-01T00:00:00+02:00\nf: 2020-01-01t1:02:03 -5\ng: 2020-01-01 10:20",
        r#"{"a":"2020-01-01","b":"2020-1-1","c":"2020-01-01T00:00:00+00:00","d":"2020-01-01T10:20:30.500000","e":"2020-01-01T00:00:00+02:00","f":"2020-01-01T01:02:03-05:00","g":"2020-01-01 10:20"}"#,
    ),
    (
        "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\none:\n  <<: *b\n  y: 9\ntwo:\n  w: 0\n  <<: [*b, *o]\nthree:\n  y: 5\n  <<: *b\n  <<: *o",
        r#"{"base":{"x":1,"y":2},"other":{"y":3,"z":4},"one":{"x":1,"y":9},"two":{"y":2,"z":4,"x":1,"w":0},"three":{"x":1,"y":5,"z":4}}"#,
    ),
    ("a: 1\nb: 2\na: 3", r#"{"a":3,"b":2}"#),
    ("1: a\nnull: c\n1.5: d\non: e", r#"{"1":"a","null":"c","1.5":"d","true":"e"}"#),
    (
        "a: |\n  text\n  more\nb: >\n  folded\n  text\n\n  para\nc: |-\n  x\nd: \"\\u00e9\\n\"\ne: 'it''s'",
        r#"{"a":"text\nmore\n","b":"folded text\npara\n","c":"x","d":"é\n","e":"it's"}"#,
    ),
    ("a: !!str 1\nb: !!int '7'\nc: !!float 3\nd: !!bool 'yes'\ne: ! 5", r#"{"a":"1","b":7,"c":3.0,"d":true,"e":5}"#),
    ("a: ~\nb:\nc: null\nd: Null\ne: ''", r#"{"a":null,"b":null,"c":null,"d":null,"e":""}"#),
    ("", "null"),
    (
        "a: 18446744073709551615\nb: -9223372036854775808\nc: 9223372036854775808",
        r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":9223372036854775808}"#,
    ),
    ("a: |\n  text", r#"{"a":"text"}"#),
    ("a: {b: [1, 2, {c: d}]}\ne: [\n]", r#"{"a":{"b":[1,2,{"c":"d"}]},"e":[]}"#),
    ("a: &x 5\nb: *x", r#"{"a":5,"b":5}"#),
    ("a:\n- 1\n- - 2\n  - 3", r#"{"a":[1,[2,3]]}"#),
    ("x: 12e03\ny: 685_230.15\nz: 0.", r#"{"x":"12e03","y":685230.15,"z":0.0}"#),
    ("a: '{{ x }}'\nb: \"{{ config['a'] }}\"", r#"{"a":"{{ x }}","b":"{{ config['a'] }}"}"#),
];

#[test]
fn documents_are_read_as_pyyaml_does() {
    for (text, json) in READ {
        assert_eq!(parse(text).map(|value| value.to_string()), Ok(json.to_owned()), "{text}");
    }
}

#[test]
fn what_pyyaml_refuses_is_refused_with_its_place() {
    for text in
        ["a: &x [*x]", "a: !foo 1", "a: [", "? [a]\n: b", "a: 1\n---\nb: 2", "a: *z", "a: b: c", "<<: 5", "a: !!int x"]
    {
        let told = parse(text).map(|value| value.to_string()).unwrap_err();
        assert!(told.contains(", in line "), "{text:?}: {told}");
    }
}

#[test]
fn a_field_that_is_written_twice_is_told() {
    let text = "a: 1\nb:\n  a: 2\n  c: {d: 1, d: 2}\na:\n  - a: 3\ne: &e {f: 1}\ng: {<<: *e, f: 2}";
    let repeated = parse_by_hand(text).map(|(_, repeated)| repeated);
    let told = |field: &str, line: usize| Repeated { field: field.to_owned(), line };
    assert_eq!(repeated, Ok(vec![told("d", 4), told("a", 5)]));
}

#[test]
fn what_is_often_mistyped_is_told_with_what_it_comes_from() {
    for (text, cause) in [
        ("a: x\n  b: y", "begin in one column"),
        ("path: /a/{{ b }}: c", "must be in quotes"),
        ("a:\n    - b: 1\n   c: 2", "begin in one column"),
        ("a:\n    b: 1\n   c: 2", "begin in one column"),
        ("a: \"x\nb: \"y\"", "a quote before that may not be closed"),
        ("a: 'x' ~ 'y'", "a value that begins with one must end with it"),
        ("a: \"\\d+\"", "a backslash is written twice"),
        ("a: %Y-%m", "a value that begins with it must be in quotes"),
        ("a:\n  - b: 1\n  c: 2", "each with a dash"),
        ("a: {{ config['b'] }}", "must be in quotes, as in"),
    ] {
        let told = parse(text).map(|value| value.to_string()).unwrap_err();
        assert!(told.contains(cause), "{text:?}: {told}");
    }
}

#[test]
fn aliases_that_multiply_each_other_and_deep_nesting_end() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
    }
    assert!(parse(&bomb).unwrap_err().contains("aliases included"));
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&"- ".repeat(100_000)).is_err());
}
