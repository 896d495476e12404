//! Rule files: every public one is accepted as promtool accepts it; bad ones name place and reason.

use std::path::Path;
use std::process::Command;

use config::NameValidation;

use crate::support::{cases, promtool, shared, yaml_files};

#[test]
fn public_rule_files_are_accepted() {
    let Some(shared) = shared() else {
        eprintln!("skipped: the folder with conformance cases is missing");
        return;
    };
    let promtool = promtool();
    let mut checked = 0;
    for folder in ["mixins", "awesome"] {
        for path in yaml_files(&shared.join("conformance/rules").join(folder), &["yml", "yaml"]) {
            let text = std::fs::read_to_string(&path).unwrap();
            let loaded = rules::check_rules(&text, &path, NameValidation::default(), rules::Language::Promql);
            let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
            let count: usize = loaded.config.groups.iter().map(|group| group.rules.len()).sum();
            let repeated = rules::duplicates(&loaded.config).len();
            if let Some(promtool) = &promtool {
                let theirs = Command::new(promtool).args(["check", "rules"]).arg(&path).output().unwrap();
                assert!(theirs.status.success(), "{}", path.display());
                let said =
                    String::from_utf8_lossy(&theirs.stdout).into_owned() + &String::from_utf8_lossy(&theirs.stderr);
                let expected = match repeated {
                    0 => format!("SUCCESS: {count} rules found"),
                    repeated => format!("{repeated} duplicate rule(s) found"),
                };
                assert!(said.contains(&expected), "{}: {expected:?} is not in {said:?}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked >= 140, "only {checked} files");
}

/// Every `tests/cases/bad/*.yml` is refused with the text of its sibling `.errors`, and by promtool. With `UPDATE_CASES=1` the
/// siblings are written.
#[test]
fn bad_files_name_place_and_reason() {
    let promtool = promtool();
    let cases = cases("bad", "yml");
    assert!(cases.len() >= 4, "only {} cases", cases.len());
    for path in cases {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = Path::new(path.file_name().unwrap());
        let Err(errors) = rules::check_rules(&text, name, NameValidation::default(), rules::Language::Promql) else {
            panic!("{} is accepted", path.display());
        };
        assert!(errors.0.iter().all(|problem| problem.line > 0), "{errors}");
        let sibling = path.with_extension("errors");
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(&sibling, format!("{errors}\n")).unwrap();
        }
        let expected = std::fs::read_to_string(&sibling).unwrap_or_default();
        assert_eq!(format!("{errors}\n"), expected, "{}", path.display());
        if let Some(promtool) = &promtool {
            let theirs = Command::new(promtool).args(["check", "rules"]).arg(&path).output().unwrap();
            assert!(!theirs.status.success(), "promtool accepts {}", path.display());
        }
    }
}

#[test]
fn repeated_rules_are_found_once() {
    let text = "groups: [{name: a, labels: {x: y}, rules: [{record: m, expr: up}, {record: m, expr: up + 1}]}, \
                {name: b, rules: [{record: m, expr: up, labels: {x: y}}, {record: m, expr: up}]}]";
    let loaded =
        rules::check_rules(text, Path::new("r.yml"), NameValidation::default(), rules::Language::Promql).unwrap();
    let found: Vec<String> =
        rules::duplicates(&loaded.config).iter().map(|d| format!("{}{}", d.name, d.labels)).collect();
    assert_eq!(found, [r#"m{x="y"}"#]);
}
