//! Every `tests/cases/good/*.yaml` loads and prints as its sibling `.effective`; every `tests/cases/bad/*.yaml` fails with the
//! text of its sibling `.errors`. With `UPDATE_CASES=1` the siblings are written instead of compared.

use std::path::{Path, PathBuf};

use config::Environment;

fn cases(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(kind);
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

fn environment() -> Environment {
    Environment::from_pairs([("HOST", "db1"), ("PORT", "9100"), ("TOKEN", "hunter2"), ("EMPTY", "")])
}

/// Compares with the sibling file, in which the case's own directory is not named.
fn compare(case: &Path, extension: &str, found: &str) -> Result<(), String> {
    let directory = format!("{}/", case.parent().unwrap().display());
    let found = format!("{}\n", found.replace(&directory, "").trim_end());
    let sibling = case.with_extension(extension);
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&sibling, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&sibling).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    Err(format!("{}:\n--- expected\n{expected}--- found\n{found}", case.display()))
}

#[test]
fn good_files_load_with_every_default() {
    let cases = cases("good");
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    let failures: Vec<_> = cases
        .iter()
        .filter_map(|case| match config::load(case, &environment()) {
            Ok(loaded) => {
                let warnings = loaded.warnings.iter().map(|warning| format!("# warning: {warning}\n"));
                compare(case, "effective", &(warnings.collect::<String>() + &config::to_yaml(&loaded.config))).err()
            }
            Err(errors) => Some(errors.to_string()),
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn bad_files_fail_with_every_place_and_reason() {
    let cases = cases("bad");
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let failures: Vec<_> = cases
        .iter()
        .filter_map(|case| match config::load(case, &environment()) {
            Ok(_) => Some(format!("{} loads", case.display())),
            Err(errors) => compare(case, "errors", &errors.to_string()).err(),
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is printed is itself a configuration, and prints the same: unless it hides a secret, nothing is lost.
#[test]
fn effective_files_load_as_themselves() {
    for case in cases("good") {
        let effective = config::to_yaml(&config::load(&case, &environment()).unwrap().config);
        // A `${HOST}` that was escaped the first time stays as it is.
        let unchanged = Environment::from_pairs([("HOST", "${HOST}")]);
        let again = config::load_text(&effective, &case, &unchanged).unwrap_or_else(|e| panic!("{e}\n{effective}"));
        assert_eq!(config::to_yaml(&again.config), effective, "{}", case.display());
    }
}

#[test]
fn secrets_are_never_printed() {
    for case in cases("good").into_iter().chain(cases("bad")) {
        let shown = match config::load(&case, &environment()) {
            Ok(loaded) => format!("{:?}{}", loaded, config::to_yaml(&loaded.config)),
            Err(errors) => format!("{errors} {errors:?}"),
        };
        assert!(!shown.contains("hunter2"), "{}: {shown}", case.display());
    }
}
