//! Runs Prometheus' own test files, where they are at hand, and ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use promql::ast::{AggregateOp, FUNCTIONS};
use promql::testing::{Report, run_file, run_text, suite_engine};

/// For each file of Prometheus' suite how many evaluations pass: it may only grow.
const FLOOR: &str = include_str!("../promqltest_floor.txt");

fn shared() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("AFFERENT_SHARED").map_or_else(default, PathBuf::from)
}

fn test_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "test")).collect();
    files.sort();
    files
}

fn print_failures(name: &str, report: &Report) {
    for failure in &report.failures {
        println!("{name} {failure}");
    }
}

#[test]
fn prometheus_suite() {
    let files = test_files(&shared().join("conformance/promqltest"));
    if files.is_empty() {
        println!("skipped: Prometheus' test files are not here (set AFFERENT_SHARED)");
        return;
    }
    let floor: BTreeMap<&str, usize> = FLOOR
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(file, passed)| (file, passed.trim().parse().unwrap()))
        .collect();
    let engine = suite_engine();
    let only = std::env::var("PROMQLTEST_ONLY").unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    let mut below = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let report = run_file(&path, &engine).unwrap();
        print_failures(&name, &report);
        println!("{name} {} passed, {} failed", report.passed, report.failed);
        passed += report.passed;
        failed += report.failed;
        let wanted = floor.get(name.as_str()).copied().unwrap_or(0);
        if report.passed < wanted {
            below.push(format!("{name}: {} passed, {wanted} did before", report.passed));
        }
    }
    println!("{passed} passed, {failed} failed");
    assert!(below.is_empty(), "{}", below.join("\n"));
}

#[test]
fn own_cases() {
    let files = test_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"));
    let engine = suite_engine();
    let mut failed = 0;
    for path in &files {
        let report = run_file(path, &engine).unwrap();
        print_failures(&path.display().to_string(), &report);
        assert!(report.passed + report.failed > 0, "{} has no case", path.display());
        failed += report.failed;
    }
    assert_eq!(failed, 0);
}

/// What the runner must not let pass: an evaluation, and a part of what is said of it.
#[test]
fn wrong_expectations_fail() {
    let load = "load 1m\n  a{x=\"1\"} 1 2\n  a{x=\"2\"} 3 4\n  h {{count:1 sum:1 buckets:[1]}}\n\n";
    for (case, said) in [
        ("eval instant at 0 a\n  a{x=\"1\"} 1", "no such series"),
        ("eval instant at 0 a{x=\"1\"}\n  a{x=\"1\"} 1.1", "got: {__name__=\"a\", x=\"1\"} 1"),
        ("eval instant at 0 a{x=\"1\"}\n  a{x=\"1\"} 1\n  a{x=\"2\"} 3", "no such series"),
        ("eval instant at 0 a{x=\"1\"}\n  1", "scalar"),
        ("eval instant at 0 1\n  2", "scalar 2"),
        ("eval instant at 0 1", "vector or matrix"),
        ("eval instant at 0 \"a\"\n  expect string \"b\"", "string \"b\""),
        ("eval instant at 0 sort(a)\n  expect ordered\n  a{x=\"2\"} 3\n  a{x=\"1\"} 1", "at position"),
        ("eval instant at 0 a{x=\"1\"}\n  expect fail\n  a{x=\"1\"} 1", "an error"),
        ("eval instant at 0 a + on () a\n  expect fail msg: something else", "something else"),
        ("eval instant at 0 a + on () a", "an answer"),
        ("eval instant at 0 a{x=\"1\"}\n  expect warn\n  a{x=\"1\"} 1", "warning annotations"),
        ("eval instant at 0 quantile(2, a)\n  expect no_warn\n  {} Inf", "no warning annotations"),
        ("eval instant at 0 quantile(2, a)\n  expect warn msg: other\n  {} Inf", "other"),
        ("eval instant at 0 h\n  h {{count:1 sum:1 buckets:[0 1]}}", "buckets:[1]"),
        ("eval instant at 0 h\n  h {{count:1 sum:1 buckets:[1] counter_reset_hint:gauge}}", "gauge"),
        ("eval range from 0 to 1m step 1m a{x=\"1\"}\n  a{x=\"1\"} 1 3", "1@0 2@60000"),
        ("eval range from 0 to 1m step 1m a{x=\"1\"}\n  a{x=\"1\"} 1 2 3", "too short"),
        ("eval range from 1m to 0 step 1m a", "before start"),
        ("eval instant at 0 a\n  a{x=\"1\"} 1 2", "expect range vector"),
        ("eval instant at x a", "duration"),
        ("eval sometime a", "invalid evaluation command"),
        ("load", "invalid load command"),
        ("load 1m\n  b@st 0s", "no following sample line"),
        ("load 1m\n  b@st 0s\n  b 1 2", "@st line has 1 values but sample line has 2"),
        ("load 1m\n  a{x=\"1\"} 5", "out of order"),
        ("dance", "invalid command"),
    ] {
        let report = run_text(&format!("{load}{case}\n"), &suite_engine());
        assert_eq!((report.passed, report.failed), (0, 1), "{case}");
        let failure = &report.failures[0];
        assert_eq!(failure.line, 6, "{case}");
        let text = failure.to_string();
        assert!(text.contains(said), "{case}\n{text}");
    }
}

#[test]
fn every_function_and_aggregation_has_a_case_of_ours() {
    let mut words = BTreeSet::new();
    for path in test_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")) {
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| line.starts_with("eval")) {
            words.extend(line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        }
    }
    let functions = FUNCTIONS.iter().map(|f| f.name).chain(AggregateOp::ALL.iter().map(|op| op.as_str()));
    let missing: Vec<&str> = functions.filter(|name| !words.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
