//! promtool's unit tests: the same verdicts and texts as promtool's.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{cases, promtool, shared, yaml_files};

/// What promtool says of a file: its failures, whitespace evened out, or none.
fn theirs(promtool: &Path, path: &Path) -> (bool, String) {
    let output = Command::new(promtool).args(["test", "rules"]).arg(path).output().unwrap();
    (output.status.success(), even(&String::from_utf8_lossy(&output.stderr)))
}

fn ours(path: &Path) -> (bool, String) {
    let report = rules::unit_test::run_file(path, &|_| true);
    let text =
        if report.failures.is_empty() { String::new() } else { format!("FAILED:\n{}", report.failures.join("\n")) };
    (report.failures.is_empty(), even(&text))
}

fn even(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains("WARNING"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every `tests/cases/units/*.test.yml` comes out as its sibling `.out` says, and as promtool says. With `UPDATE_CASES=1` the
/// siblings are written. A file whose name ends in `.newer.test.yml` needs a newer promtool than the peers have.
#[test]
fn our_cases() {
    let promtool = promtool();
    let cases: Vec<PathBuf> =
        cases("units", "yml").into_iter().filter(|path| path.to_string_lossy().ends_with(".test.yml")).collect();
    assert!(cases.len() >= 2, "only {} cases", cases.len());
    for path in cases {
        let (_, found) = ours(&path);
        let sibling = path.with_extension("out");
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(&sibling, format!("{found}\n")).unwrap();
        }
        let expected = std::fs::read_to_string(&sibling).unwrap_or_default();
        assert_eq!(format!("{found}\n"), expected, "{}", path.display());
        if let Some(promtool) = promtool.as_ref().filter(|_| !path.to_string_lossy().contains(".newer.")) {
            assert_eq!(theirs(promtool, &path).1, found, "{}", path.display());
        }
    }
}

/// kubernetes-mixin's own tests, as they are and each with one number changed.
#[test]
fn public_tests_come_out_as_promtools() {
    let Some(shared) = shared() else {
        eprintln!("skipped: the folder with conformance cases is missing");
        return;
    };
    let rules = shared.join("conformance/rules");
    let place = tempfile::tempdir().unwrap();
    for (from, to) in [("alerts", "prometheus_alerts.yaml"), ("rules", "prometheus_rules.yaml")] {
        std::fs::copy(rules.join(format!("mixins/kubernetes--{from}.yaml")), place.path().join(to)).unwrap();
    }
    std::fs::create_dir(place.path().join("tests")).unwrap();
    let promtool = promtool();
    let mut run = 0;
    for path in yaml_files(&rules.join("unit_tests"), &["yaml", "yml"]) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let broken = text.replacen("value: ", "value: 1", 1).replacen("severity: warning", "severity: none", 2);
        for (kind, text) in [("as it is", text), ("broken", broken)] {
            let copy = place.path().join("tests").join(&name);
            std::fs::write(&copy, text).unwrap();
            let found = ours(&copy);
            // Since Prometheus 3.0 a sample just as old as the lookback is not seen, and these tests are written for that.
            let is_newer = ["absent_alert-test.yaml", "tests.yaml"].contains(&name.as_str());
            if let Some(promtool) = promtool.as_ref().filter(|_| !is_newer) {
                assert_eq!(found.0, theirs(promtool, &copy).0, "{name} {kind}: {}", found.1);
            } else if kind == "as it is" {
                assert!(found.0, "{name}: {}", found.1);
            }
            run += 1;
        }
    }
    assert!(run >= 16, "only {run} files");
}
