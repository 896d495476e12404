//! Templates executed by Go itself: those of the shared conformance folder, where it is there, and our own, which
//! `tests/cases/go` writes.

use std::path::{Path, PathBuf};

use gotemplate::cases;

fn shared() -> PathBuf {
    match std::env::var_os("AFFERENT_SHARED") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

fn assert_all_pass(data_dir: &Path, cases_file: &Path, at_least: usize) {
    let report = cases::run(data_dir, cases_file).expect("the files of the test are in order");
    let failures: Vec<String> = report.failures.iter().take(3000).map(ToString::to_string).collect();
    assert_eq!(report.failed, 0, "{} passed, {} failed\n{}", report.passed, report.failed, failures.join("\n"));
    assert!(report.passed >= at_least, "{} passed", report.passed);
}

#[test]
fn shared_cases() {
    let folder = shared().join("conformance/gotemplate");
    if !folder.exists() {
        println!("skipped: no shared conformance folder (set AFFERENT_SHARED)");
        return;
    }
    assert_all_pass(&folder, &folder.join("cases.jsonl"), 1299);
}

#[test]
fn own_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    assert_all_pass(&folder, &folder.join("cases.jsonl"), 3900);
    assert_all_pass(&folder, &folder.join("newer.jsonl"), 24);
}
