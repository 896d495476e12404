//! Damaged input: whatever stands in a query, a selector, a series or a script, reading it ends with an answer or an error.

use promql::ast::ValueType;
use promql::parser::{ParseOptions, parse, parse_metric, parse_metric_selector, parse_series_description};
use promql::{ast_to_json, prettify};
use rand::{RngExt, SeedableRng};

use crate::generate::{Rng, query};

const FRAGMENTS: [&str; 40] = [
    "(", ")", "[", "]", "{", "}", "{{", "}}", "\"", "'", "`", "\\", "\n", "#", ":", ",", "=", "=~", "!", "!=", "<",
    "</", ">/", "@", "offset", "by", "on", "bool", "fill(", "-", "^", "5m", "0x", "1e", "_", "é", "\u{0}", "sum",
    "step()", "\\x",
];

fn damage(rng: &mut Rng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=chars.len());
        match rng.random_range(0..4) {
            0 if at < chars.len() => {
                chars.remove(at);
            }
            1 => chars.truncate(at),
            2 if at < chars.len() => {
                let end = rng.random_range(at..=chars.len().min(at + 20));
                let copy: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, copy);
            }
            _ => {
                let fragment = FRAGMENTS[rng.random_range(0..FRAGMENTS.len())];
                chars.splice(at..at, fragment.chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn damaged_queries_end_with_an_answer() {
    let mut rng = Rng::seed_from_u64(7);
    let options = ParseOptions::default();
    let mut accepted = 0;
    for _ in 0..4000 {
        let text = query(&mut rng, ValueType::Vector, 3);
        let text = damage(&mut rng, &text);
        match parse(&text, &options) {
            Ok(expr) => {
                accepted += 1;
                assert!(parse(&expr.to_string(), &options).is_ok(), "{text:?} printed as {expr}");
                let _ = (prettify(&expr), ast_to_json(&expr));
            }
            Err(errors) => assert!(errors.to_string().contains("parse error: ")),
        }
        let _ = parse_metric_selector(&text);
        let _ = parse_metric(&text);
        let _ = parse(&text, &ParseOptions::stable());
    }
    assert!(accepted > 100, "damage should leave some queries valid: {accepted}");
}

#[test]
fn damaged_series_end_with_an_answer() {
    let mut rng = Rng::seed_from_u64(11);
    let series = [
        r#"up{job="x",b='y'} 1+2x3 _ stale _x4 Inf -NaN 0x5"#,
        "m {{schema:1 sum:-0.3 count:3.1 z_bucket:7 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 n_buckets:[4 5]}}x3",
        r#"{"a.b", c="d"} {{count:1}}+{{count:2 counter_reset_hint:gauge}}x5"#,
    ];
    for i in 0..4000 {
        let _ = parse_series_description(&damage(&mut rng, series[i % series.len()]));
    }
}

#[test]
fn damaged_scripts_end_with_a_report() {
    let mut rng = Rng::seed_from_u64(13);
    let script = "load 5m\n  m{a=\"b\"} 1+1x3\n  m{a=\"b\"}@st -1m -1m+1sx2\n\neval instant at 5m m\n  expect no_warn\n  m{a=\"b\"} 2\n\neval range from 0 to 10m step 5m m\n  {} 1 2\n\nclear\n";
    let engine = promql::testing::suite_engine();
    for _ in 0..300 {
        let _ = promql::testing::run_text(&damage(&mut rng, script), &engine);
    }
}

#[test]
fn deep_input_is_refused() {
    let options = ParseOptions::default();
    let n = 100_000;
    for text in [
        "(".repeat(n),
        "-".repeat(n),
        format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        format!("a{}", "[1m:]".repeat(n)),
        format!("1{}", " + 1".repeat(n)),
        format!("1{}", " ^ 1".repeat(n)),
        format!("{}a{}", "sum(".repeat(n), ")".repeat(n)),
        format!("a[{}1{}]", "(".repeat(n), ")".repeat(n)),
        format!("a[1{}]", " + 1".repeat(n)),
        format!("a[{}1]", "-".repeat(n)),
        format!("a{}", " offset 1m".repeat(n)),
    ] {
        assert!(parse(&text, &options).is_err(), "{}", &text[..40]);
    }
    // What people and tools write passes.
    let long: Vec<String> = (0..800).map(|i| format!("m{i}")).collect();
    assert!(parse(&long.join(" or "), &options).is_ok());
    assert!(parse(&format!("{}a{}", "(".repeat(100), ")".repeat(100)), &options).is_ok());
}

#[test]
fn the_deepest_allowed_queries_evaluate() {
    let options = ParseOptions::default();
    let nested = |open: &str, core: &str, close: &str| {
        let text = |n: usize| format!("{}{core}{}", open.repeat(n), close.repeat(n));
        let deepest = (1..300).rev().find(|n| parse(&text(*n), &options).is_ok()).unwrap();
        assert!(deepest > 60, "{open} can be nested only {deepest} times");
        text(deepest)
    };
    let chained = |link: &str| {
        let text = |n: usize| format!("vector(1){}", link.repeat(n));
        let longest = (1..1100).rev().find(|n| parse(&text(*n), &options).is_ok()).unwrap();
        assert!(longest > 900, "{link} can be repeated only {longest} times");
        text(longest)
    };
    let queries = [
        nested("(", "m", ")"),
        nested("-(", "m", ")"),
        nested("abs(", "m", ")"),
        nested("sum by (a) (", "m", ")"),
        nested("1 + (", "m", ")"),
        nested("max_over_time(", "m", "[1m:1m])"),
        nested("1 ^ -", "m", ""),
        chained(" + 1"),
        chained(" or m"),
        chained(" + on () m"),
    ];
    let mut source = promql::testing::MemorySource::new();
    let labels = model::Labels::from_pairs([("__name__", "m")]);
    source.append(&labels, [model::Sample::float(model::Timestamp(0), 1.0)]).unwrap();
    let engine = promql::testing::suite_engine();
    // Servers evaluate on threads with two megabytes of stack, as this one has.
    for query in queries {
        let ctx = promql::engine::QueryContext::default();
        let result = engine.instant(&source, &ctx, &query, model::Timestamp(0));
        assert!(result.is_ok(), "{}: {:?}", &query[..40], result.map(|r| r.value));
        let expr = parse(&query, &options).unwrap();
        let _ = (prettify(&expr), ast_to_json(&expr));
    }
}
