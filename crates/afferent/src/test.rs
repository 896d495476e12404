//! `afferent test promql`: Prometheus' test language for PromQL.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use promql::testing::{run_file, suite_engine};

use crate::cli::TestWhat;
use crate::{alert_files, rule_files};

/// Runs each file, prints what failed and, last, how many did; false where anything did.
pub(crate) fn run(what: &TestWhat) -> anyhow::Result<bool> {
    let files = match what {
        TestWhat::Promql { files } => files,
        TestWhat::Routes(args) => return alert_files::routes(args),
        TestWhat::Rules { files, run } => return rule_files::test(files, run),
    };
    let engine = suite_engine();
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failed) = (0, 0);
    for file in expand(files)? {
        let report = match run_file(&file, &engine) {
            Ok(report) => report,
            Err(error) => {
                writeln!(out, "{}: {error}", file.display())?;
                failed += 1;
                continue;
            }
        };
        for failure in &report.failures {
            writeln!(
                out,
                "{}:{}: {}\n  expected: {}\n       got: {}",
                file.display(),
                failure.line,
                failure.expr,
                failure.expected,
                failure.got
            )?;
        }
        passed += report.passed;
        failed += report.failed;
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(failed == 0)
}

/// A directory stands for the `.test` files in it, sorted.
fn expand(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = test_files(path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::ensure!(!found.is_empty(), "there are no .test files in {}", path.display());
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn test_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "test") {
            files.push(path);
        }
    }
    Ok(files)
}
