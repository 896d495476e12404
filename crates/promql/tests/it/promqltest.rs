//! Runs Prometheus' own test files, where they are at hand, and ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use promql::testing::{Report, run_file, suite_engine};

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
