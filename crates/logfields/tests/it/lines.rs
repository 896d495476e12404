//! Lines with the fields that Loki takes from them.

use std::ops::ControlFlow;

use logfields::{LogfmtOptions, Scratch};

fn json(line: &[u8]) -> (Vec<(String, String)>, Option<String>) {
    let mut fields = Vec::new();
    let done = logfields::json(line, &mut Scratch::default(), |name, value| {
        fields.push((name.to_owned(), value.to_owned()));
        ControlFlow::Continue(())
    });
    (fields, done.err().map(|error| error.to_string()))
}

fn logfmt(line: &[u8], options: LogfmtOptions) -> (Vec<(String, String)>, Option<String>) {
    let mut fields = Vec::new();
    let done = logfields::logfmt(line, options, &mut Scratch::default(), |name, value| {
        fields.push((name.to_owned(), value.to_owned()));
        ControlFlow::Continue(())
    });
    (fields, done.err().map(|error| error.to_string()))
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A line, its fields, and the error.
type Case = (&'static [u8], &'static [(&'static str, &'static str)], Option<&'static str>);

#[test]
fn json_is_flattened() {
    let cases: [Case; 14] = [
        (
            br#"{"a":1,"b":{"c":"x","d":{"e f":true}},"g":[1],"h":null}"#,
            &[("a", "1"), ("b_c", "x"), ("b_d_e_f", "true")],
            None,
        ),
        (
            br#"{"a":"\u00e9\n\t","b":"\ud83d\ude00","c":"\u"}"#,
            &[("a", "\u{e9}\n\t"), ("b", "\u{1F600}"), ("c", "")],
            None,
        ),
        (
            br#"{"n":12345678901234567890,"f":1.0,"e":1e10}"#,
            &[("n", "12345678901234567890"), ("f", "1.0"), ("e", "1e10")],
            None,
        ),
        (b"{\"a\":\"x\xffy\",\"b\xff\":1,\"c\":2\xff}", &[("a", "x y"), ("b_", "1"), ("c", "2 ")], None),
        (br#"{"":{"":"bar"}," ":1,"x":{" ":2}}"#, &[("x", "2")], None),
        (br#"{"0":"foo","a":{"0":1}}"#, &[("_0", "foo"), ("a_0", "1")], None),
        (br#"{"a":1} trailing"#, &[("a", "1")], None),
        (br#"{}"#, &[], None),
        (br#"{"a":1"#, &[("a", "1")], Some("Value is array, but can't find closing ']' symbol")),
        (br#"{"a":{"b":1"#, &[], Some("Value looks like object, but can't find closing '}' symbol")),
        (br#"{"a":"x}"#, &[], Some("Value is string, but can't find closing '\"' symbol")),
        (br#"{"a":nope}"#, &[], Some("Unknown value type")),
        (br#"{"\x":1}"#, &[], Some("Encountered an invalid escape sequence in a string")),
        (b"plain text", &[], Some("Value looks like object, but can't find closing '}' symbol")),
    ];
    for (line, fields, error) in cases {
        let (got, got_error) = json(line);
        assert_eq!(got, owned(fields), "{}", String::from_utf8_lossy(line));
        assert_eq!(got_error.as_deref(), error, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn logfmt_is_lenient_unless_strict() {
    let line = b"a=1 b=\"x \\\"y\\\" \\u00e9\" c d= =bad e=f=g h\"i j=\"open";
    let (fields, error) = logfmt(line, LogfmtOptions::default());
    assert_eq!(fields, owned(&[("a", "1"), ("b", "x \"y\" \u{e9}")]));
    assert_eq!(error, None);
    let (fields, _) = logfmt(line, LogfmtOptions { keep_empty: true, ..LogfmtOptions::default() });
    assert_eq!(fields, owned(&[("a", "1"), ("b", "x \"y\" \u{e9}"), ("c", ""), ("d", "")]));

    let strict = LogfmtOptions { strict: true, ..LogfmtOptions::default() };
    for (line, error) in [
        (&b"foo=\"foo bar\" b\xefr=10ms"[..], "logfmt syntax error at pos 18 : invalid key"),
        (b"a=\"unterminated", "logfmt syntax error at pos 16 : unterminated quoted value"),
        (b"a=b =c", "logfmt syntax error at pos 5 : unexpected '='"),
        (b"{\"a\":1}", "logfmt syntax error at pos 2 : unexpected '\"'"),
        (b"a=\"\\q\"", "logfmt syntax error at pos 7 : invalid quoted value"),
    ] {
        assert_eq!(logfmt(line, strict).1.as_deref(), Some(error), "{}", String::from_utf8_lossy(line));
    }
    assert_eq!(logfmt(b"buzz=foo bar=\xfff", strict), (owned(&[("buzz", "foo"), ("bar", " f")]), None));
}

#[test]
fn a_visitor_that_has_enough_ends_the_line() {
    let mut seen = 0;
    let done = logfields::json(br#"{"a":{"b":1,"c":2},"d":nope}"#, &mut Scratch::default(), |_, _| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((done, seen), (Ok(()), 1));
}

#[test]
fn nesting_is_bounded() {
    let line = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    assert_eq!(json(line.as_bytes()).1.as_deref(), Some("objects are nested too deep"));
}
