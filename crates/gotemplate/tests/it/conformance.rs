//! Templates executed by Go itself: those of the shared conformance folder, where it is there, and our own.

use std::path::{Path, PathBuf};

use gotemplate::cases;

fn shared() -> PathBuf {
    match std::env::var_os("AFFERENT_SHARED") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

fn assert_all_pass(data_dir: &Path, cases_file: &Path) -> usize {
    let report = cases::run(data_dir, cases_file).unwrap();
    for failure in report.failures.iter().take(40) {
        println!(
            "{}\n  {}\n  want {:?}\n  got  {:?}",
            failure.case, failure.template, failure.expected, failure.actual
        );
    }
    assert_eq!(report.failed, 0, "{} passed, {} failed", report.passed, report.failed);
    report.passed
}

#[test]
fn shared_cases() {
    let folder = shared().join("conformance/gotemplate");
    if !folder.exists() {
        println!("skipped: no shared conformance folder (set AFFERENT_SHARED)");
        return;
    }
    assert!(assert_all_pass(&folder, &folder.join("cases.jsonl")) >= 1299);
}
