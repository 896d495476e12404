//! Bounded, seeded mutations of valid files: reading them must neither panic nor hang.

use std::path::Path;

use config::NameValidation;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const RULES: &str = "groups:\n- name: g\n  interval: 1m\n  limit: 3\n  labels: {a: b}\n  rules:\n  - record: m:x\n    expr: \
    sum by (job) (rate(up[5m]))\n  - alert: Down\n    expr: up == 0\n    for: 5m\n    keep_firing_for: 1m\n    labels:\n      \
    severity: '{{ $labels.job }}'\n    annotations:\n      summary: |\n        {{ range query \"up\" }}{{ . | value | humanize \
    }}{{ end }}\n";
const TESTS: &str = "rule_files: [none.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  name: t\n  input_series:\n  - \
    series: up{job=\"a\"}\n    values: '0+1x5 _ stale {{schema:0 count:1}}'\n  promql_expr_test:\n  - expr: up\n    eval_time: \
    3m\n    exp_samples:\n    - labels: up{job=\"a\"}\n      value: 3\n  alert_rule_test:\n  - eval_time: 2m\n    alertname: X\n";
const PIECES: &[&str] =
    &["{{", "}}", "${", "\n", ": ", "- ", "\"", "'", "[", "]", "1x9", "_", "é", "\0", "&a ", "*a", "- ["];

fn mutate(rng: &mut StdRng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=chars.len());
        let end = (at + rng.random_range(1..12)).min(chars.len());
        match rng.random_range(0..3) {
            0 => {
                chars.splice(at..at, PIECES[rng.random_range(0..PIECES.len())].chars());
            }
            1 => {
                chars.drain(at..end);
            }
            _ => {
                let copy: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, copy);
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn mutated_rule_files_never_panic() {
    let (mut read, mut refused) = (0, 0);
    for seed in 0..1500 {
        let text = mutate(&mut StdRng::seed_from_u64(seed), RULES);
        match rules::check_rules(&text, Path::new("f.yml"), NameValidation::default(), rules::Language::Promql) {
            Ok(_) => read += 1,
            Err(errors) => {
                refused += 1;
                assert!(errors.0.iter().all(|problem| problem.line > 0), "seed {seed}: {errors}");
            }
        }
    }
    assert!(read > 50 && refused > 50, "{read} read, {refused} refused");
}

#[test]
fn mutated_tests_never_panic() {
    let (mut passed, mut failed) = (0, 0);
    for seed in 0..600 {
        let text = mutate(&mut StdRng::seed_from_u64(seed), TESTS);
        // A mutated time must not make a test of years.
        if text.contains("x55") || text.contains("33m") || text.contains("22m") {
            continue;
        }
        let report = rules::unit_test::run_text(&text, Path::new("f.yml"), &|_| true);
        if report.failures.is_empty() { passed += 1 } else { failed += 1 }
    }
    assert!(passed > 0 && failed > 50, "{passed} passed, {failed} failed");
}
