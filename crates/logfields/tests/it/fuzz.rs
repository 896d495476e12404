//! Lines made of pieces of lines, and lines with bytes changed: no parser may panic, and on what is JSON by serde's word the
//! fields are those of its tree.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use logfields::{JsonPath, LogfmtOptions, Scratch, Text};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "d83d",
    "\\ude00",
    "a",
    "b1",
    " ",
    "=",
    "null",
    "true",
    "-1.5e9",
    "\n",
    "\u{FFFD}",
    "\u{f6}",
    "{\"k\":\"v\"}",
    "k=\"v w\"",
    "\\\"",
];

#[test]
fn no_line_makes_a_parser_panic() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut scratch = Scratch::default();
    let path =
        [JsonPath::parse("a.b1[0]").expect("the path is right"), JsonPath::parse("k").expect("the path is right")];
    for _ in 0..40_000 {
        let mut line: Vec<u8> = Vec::new();
        for _ in 0..rng.random_range(0..24) {
            line.extend_from_slice(PIECES[rng.random_range(0..PIECES.len())].as_bytes());
        }
        if !line.is_empty() && rng.random_bool(0.5) {
            let at = rng.random_range(0..line.len());
            line[at] = rng.random_range(0..=255) as u8;
        }
        let mut visit = |name: &str, _: &str| {
            assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            ControlFlow::Continue(())
        };
        let _ = logfields::json(&line, &mut scratch, &mut visit);
        for strict in [false, true] {
            let options = LogfmtOptions { strict, keep_empty: true };
            if let Err(error) = logfields::logfmt(&line, options, &mut scratch, &mut visit) {
                assert!(strict && error.position <= line.len() + 1);
            }
        }
        let _ = logfields::json_paths(&Text::of(&line).text, &path, |_, _| {});
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\\n\u{f6}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(|m| m.into_iter().collect()),
        ]
    })
}

fn flatten(prefix: &str, value: &Value, to: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}_{key}") };
                flatten(&name, value, to);
            }
        }
        Value::String(text) => to.push((prefix.to_owned(), text.clone())),
        Value::Number(_) | Value::Bool(_) => to.push((prefix.to_owned(), value.to_string())),
        Value::Null | Value::Array(_) => {}
    }
}

proptest! {
    #[test]
    fn fields_are_those_of_the_tree(map in proptest::collection::btree_map("[a-z]{1,3}", value(), 0..5), pretty: bool) {
        let tree: Value = map.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect::<serde_json::Map<_, _>>().into();
        let line = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.expect("it prints");
        let mut want = Vec::new();
        flatten("", &tree, &mut want);
        let mut got = Vec::new();
        logfields::json(line.as_bytes(), &mut Scratch::default(), |name, value| {
            got.push((name.to_owned(), value.to_owned()));
            ControlFlow::Continue(())
        }).expect("it is JSON");
        prop_assert_eq!(got, want);
    }
}
