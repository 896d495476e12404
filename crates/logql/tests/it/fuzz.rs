//! Queries made of pieces of queries: the parser never panics, and what it reads prints to something that prints alike.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PIECES: [&str; 63] = [
    "{app=\"a\"}",
    "{",
    "}",
    "app",
    "=",
    "=~",
    "!=",
    "!~",
    "\"x\"",
    "`a.*`",
    "|=",
    "|~",
    "|>",
    "!>",
    "|",
    "or",
    "and",
    "unless",
    "(",
    ")",
    ",",
    "json",
    "logfmt",
    "--strict",
    "regexp",
    "\"(?P<a>x)\"",
    "kql",
    "pattern",
    "\"<a> <b>\"",
    "unpack",
    "line_format",
    "label_format",
    "a=b",
    "decolorize",
    "drop",
    "keep",
    "unwrap",
    "duration(x)",
    "rate",
    "count_over_time",
    "sum",
    "by",
    "without",
    "topk(2,",
    "[5m]",
    "offset",
    "-5m",
    "1h",
    "10KB",
    "3.5",
    "1e3",
    "0x1",
    "==",
    ">",
    ">=",
    "bool",
    "on",
    "ignoring",
    "group_left",
    "ip(\"10.0.0.0/8\")",
    "vector(1)",
    "label_replace(",
    "#",
];

#[test]
fn no_text_makes_the_parser_panic() {
    let mut rng = StdRng::seed_from_u64(11);
    let mut read = 0;
    for _ in 0..60_000 {
        let mut query = String::new();
        if rng.random_bool(0.7) {
            query.push_str(
                ["rate({app=\"a\"} ", "{app=\"a\"} | json ", "sum(count_over_time({a=\"b\"}[1m])) "]
                    [rng.random_range(0..3)],
            );
        }
        for _ in 0..rng.random_range(0..10) {
            query.push_str(PIECES[rng.random_range(0..PIECES.len())]);
            query.push_str([" ", "", "\n"][rng.random_range(0..3)]);
        }
        if let Ok(printed) = logql::format(&query) {
            read += 1;
            assert_eq!(logql::format(&printed).as_deref(), Ok(printed.as_str()), "{query}");
        }
    }
    assert!(read > 500, "{read}");
}

#[test]
fn depth_is_bounded() {
    for text in
        ["(".repeat(100_000), "-".repeat(1000), "sum(".repeat(20_000), "{a=\"b\"} | ".to_owned() + &"(".repeat(50_000)]
    {
        assert!(logql::parse(&text).is_err());
    }
    assert!(logql::parse(&format!("{{a=\"b\"}} |= \"{}\"", "x".repeat(200_000))).is_err());
}
