//! `tests/data/expositions.txt`, and the OpenMetrics project's cases where they are to be had.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use model::{Labels, SampleValue};
use scrape::exposition::{Entry, Format, ParseOptions, RawLabels, parser};

/// Everything that a body says of samples, a line each; or the error.
fn read(body: &[u8], format: Format) -> String {
    let mut parser = parser(body, format, ParseOptions::default());
    let (mut out, mut labels) = (String::new(), RawLabels::default());
    loop {
        let (timestamp, value) = match parser.advance() {
            Ok(None) => return out,
            Ok(Some(Entry::Sample { timestamp, value: SampleValue::Float(value) })) => (timestamp, value),
            Ok(Some(_)) => continue,
            Err(error) => return format!("error: {error}\n"),
        };
        parser.labels(&mut labels);
        let time = |t: Option<i64>| t.map(|t| format!(" @{t}")).unwrap_or_default();
        write!(out, "{} {}{}", Labels::from_pairs(labels.iter()), model::float::format_f(value), time(timestamp))
            .unwrap();
        if let Some(start) = parser.start_timestamp() {
            write!(out, " created {start}").unwrap();
        }
        while let Some(e) = parser.exemplar() {
            let value = model::float::format_f(e.value);
            write!(out, " exemplar {} {value}{}", e.labels, time(e.timestamp.map(|t| t.ms()))).unwrap();
        }
        out.push('\n');
    }
}

#[test]
fn own_cases() {
    let file = include_str!("../data/expositions.txt").replace("<TAB>", "\t").replace("<00>", "\0");
    let mut count = 0;
    for case in file.split("\n=== ").skip(1) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (format, _) = title.split_once(": ").unwrap();
        let (body, expected) = rest.split_once("---\n").unwrap();
        let body = body.strip_suffix("<NO NEWLINE>\n").unwrap_or(body);
        let format = if format == "text" { Format::Text } else { Format::OpenMetrics };
        let found = read(body.as_bytes(), format);
        let expected = expected.trim_end();
        if expected.starts_with("error: ") {
            assert!(found.starts_with(expected), "{title}\nexpected {expected}\nfound    {found}");
        } else {
            assert_eq!(found.trim_end(), expected, "{title}");
        }
        count += 1;
    }
    assert!(count >= 30, "{count} cases");
}

#[test]
fn the_openmetrics_cases_are_taken_as_prometheus_takes_them() {
    let shared = std::env::var_os("AFFERENT_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")));
    let file = shared.join("conformance/openmetrics/parser_cases.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: no {}", file.display());
        return;
    };
    let lax: BTreeSet<&str> =
        include_str!("../data/openmetrics_lax.txt").lines().filter(|l| !l.starts_with('#')).collect();
    let mut seen_lax = BTreeSet::new();
    let mut count = 0;
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = case["case"].as_str().unwrap();
        let body = case["exposition"].as_str().unwrap();
        let by_the_letter = case["shouldParse"].as_bool().unwrap();
        let mut accepted = !read(body.as_bytes(), Format::OpenMetrics).starts_with("error: ");
        // Labels that come twice are refused one step later, when samples are put together.
        accepted &= !has_duplicate_labels(body);
        if lax.contains(name) {
            assert!(!by_the_letter && accepted, "{name}");
            seen_lax.insert(name.to_owned());
        } else {
            assert_eq!(accepted, by_the_letter, "{name}: {body:?}");
        }
        count += 1;
    }
    assert_eq!(count, 161);
    assert_eq!(seen_lax.len(), lax.len());
}

fn has_duplicate_labels(body: &str) -> bool {
    let mut parser = parser(body.as_bytes(), Format::OpenMetrics, ParseOptions::default());
    let mut labels = RawLabels::default();
    while let Ok(Some(entry)) = parser.advance() {
        if matches!(entry, Entry::Sample { .. }) {
            parser.labels(&mut labels);
            if labels.duplicate_name().is_some() {
                return true;
            }
        }
    }
    false
}
