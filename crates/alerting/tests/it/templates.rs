//! The default templates give what Alertmanager's give, byte for byte: the cases `default:*` of the conformance folder. Errors are
//! the same but for line and column, because the text of the templates is our own.

use std::io::Write;
use std::path::PathBuf;

fn shared() -> PathBuf {
    match std::env::var_os("AFFERENT_SHARED") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

/// `error: template: :7:41: executing ...` without line and column; `None` where the place is not in the default templates.
fn without_position(text: &str) -> Option<&str> {
    let (position, rest) = text.strip_prefix("error: template: :")?.split_once(": ")?;
    let (line, column) = position.split_once(':')?;
    (line.parse::<usize>().is_ok() && column.parse::<usize>().is_ok()).then_some(rest)
}

#[test]
fn default_templates_are_alertmanagers() {
    let known = shared().join("conformance/gotemplate");
    let Ok(cases) = std::fs::read_to_string(known.join("cases.jsonl")) else {
        println!("skipped: no conformance folder at {}", known.display());
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(known.join("data.json"), dir.path().join("data.json")).unwrap();
    std::fs::write(dir.path().join("default.tmpl"), alerting::default_templates()).unwrap();
    std::fs::write(dir.path().join("email.tmpl"), alerting::email_templates()).unwrap();
    let file = dir.path().join("cases.jsonl");
    let mut out = std::fs::File::create(&file).unwrap();
    for line in cases.lines().filter(|line| line.contains("\"name\":\"default:")) {
        writeln!(out, "{line}").unwrap();
    }
    let report = gotemplate::cases::run(dir.path(), &file).unwrap();
    let is_equal = |failure: &gotemplate::cases::Failure| {
        let expected = without_position(&failure.expected);
        expected.is_some() && expected == without_position(&failure.actual)
    };
    let failures: Vec<String> =
        report.failures.iter().filter(|failure| !is_equal(failure)).map(ToString::to_string).collect();
    assert!(failures.is_empty() && report.passed > 150, "{} passed\n{}", report.passed, failures.join("\n"));
}
