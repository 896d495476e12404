//! `afferent check rules` and `afferent test rules`, printed as promtool prints.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use config::NameValidation;
use regex::RegexSet;
use rules::{Duplicate, Language};

use crate::cli::CheckRulesArgs;
use crate::ruler;

/// Prints what is wrong with each file; false where anything is. Rules given twice are told, and count where asked for.
pub(crate) fn check(args: &CheckRulesArgs) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut all_good = true;
    for path in &args.files {
        writeln!(out, "Checking {}", path.display())?;
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                writeln!(out, "  FAILED:\n{}: {error}\n", path.display())?;
                all_good = false;
                continue;
            }
        };
        let is_logql = args.logql || ruler::is_log_rules(path);
        let language = if is_logql { Language::Logql } else { Language::Promql };
        match rules::check_rules(&text, path, NameValidation::default(), language) {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    writeln!(out, "  warning: {warning}")?;
                }
                let repeated = rules::duplicates(&loaded.config);
                if repeated.is_empty() {
                    let count: usize = loaded.config.groups.iter().map(|group| group.rules.len()).sum();
                    writeln!(out, "  SUCCESS: {count} rules found\n")?;
                } else {
                    writeln!(out, "  FAILED:\nlint error {}\n", lint(&repeated))?;
                    all_good &= !args.lint_fatal;
                }
            }
            Err(errors) => {
                writeln!(out, "  FAILED:\n{errors}\n")?;
                all_good = false;
            }
        }
    }
    Ok(all_good)
}

fn lint(repeated: &[Duplicate]) -> String {
    let mut text = format!("{} duplicate rule(s) found.\n", repeated.len());
    for rule in repeated {
        text.push_str(&format!("Metric: {}\nLabel(s):\n", rule.name));
        for label in &rule.labels {
            text.push_str(&format!("\t{}: {}\n", label.name, label.value));
        }
    }
    text + "Might cause inconsistency while recording expressions"
}

/// Runs unit tests and prints what is not as expected; false where anything is.
pub(crate) fn test(files: &[PathBuf], run: &[String]) -> anyhow::Result<bool> {
    let names = RegexSet::new(run).context("--run")?;
    let accepts = |name: &str| run.is_empty() || names.is_match(name);
    let mut out = std::io::stdout().lock();
    let mut all_good = true;
    for path in files {
        writeln!(out, "Unit Testing:  {}", path.display())?;
        let report = rules::unit_test::run_file(path, &accepts);
        for pattern in &report.unmatched {
            writeln!(out, "  WARNING: no file match pattern {pattern}")?;
        }
        if report.failures.is_empty() {
            writeln!(out, "  SUCCESS\n")?;
            continue;
        }
        writeln!(out, "  FAILED:")?;
        for failure in &report.failures {
            writeln!(out, "{failure}\n")?;
        }
        all_good = false;
    }
    Ok(all_good)
}
