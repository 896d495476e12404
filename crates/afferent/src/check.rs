//! `afferent check config`; other kinds of files have their own modules.

use std::io::Write;
use std::path::Path;

use config::{ConfigErrors, Loaded, PrometheusConfig};
use remote::Senders;
use rules::{Language, LoadedRules};

use crate::cli::CheckWhat;
use crate::{alert_files, alert_house, log_house, named_files, rule_files, ruler, settings, shipping};

/// Prints what is wrong with each file; false where anything is.
pub(crate) fn run(what: &CheckWhat) -> anyhow::Result<bool> {
    let files = match what {
        CheckWhat::Config { files } => files,
        CheckWhat::Rules(args) => return rule_files::check(args),
        CheckWhat::Alertmanager { files } => return alert_files::check(files),
    };
    let mut out = std::io::stdout().lock();
    let mut all_good = true;
    for path in files {
        if log_house::is_config(path) {
            all_good &= say(path, log_house::load(Some(path)), &mut out)?;
            continue;
        }
        if shipping::is_config(path) {
            all_good &= say(path, shipping::load(path), &mut out)?;
            continue;
        }
        let file = match settings::find_file(path) {
            Ok(file) => file,
            Err(error) => {
                writeln!(out, "{error}")?;
                all_good = false;
                continue;
            }
        };
        match settings::load(&file, None) {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    writeln!(out, "warning: {warning}")?;
                }
                for text in settings::idle_sections(&loaded.config) {
                    writeln!(out, "{}: note: {text}", file.display())?;
                }
                let names = loaded.config.global.metric_name_validation_scheme;
                let log_files = if path.is_dir() { ruler::log_rule_files(&file) } else { Vec::new() };
                let rules = rules::load(&loaded.config.rule_files, names, Language::Promql)
                    .and_then(|rules| Ok([rules, rules::load(&log_files, names, Language::Logql)?]));
                let rules = match rules {
                    Ok(rules) => rules,
                    Err(errors) => {
                        writeln!(out, "{errors}\n{}: its rule files have problems", file.display())?;
                        all_good = false;
                        continue;
                    }
                };
                for warning in rules.iter().flat_map(|rules| &rules.warnings) {
                    writeln!(out, "warning: {warning}")?;
                }
                let files = named_files::look(&loaded.config);
                for text in &files.warnings {
                    writeln!(out, "{}: warning: {text}", file.display())?;
                }
                let problems = problems(&loaded.config, files.problems);
                for text in &problems {
                    writeln!(out, "{}: {text}", file.display())?;
                }
                let jobs = counted(loaded.config.all_scrape_configs().count(), "scrape job");
                match (problems.len(), rules.iter().map(LoadedRules::count).sum()) {
                    (0, 0) => writeln!(out, "{}: ok, {jobs}", file.display())?,
                    (0, count) => writeln!(out, "{}: ok, {jobs}, {}", file.display(), counted(count, "rule"))?,
                    (count, _) => {
                        writeln!(out, "{}: {}", file.display(), counted(count, "problem"))?;
                        all_good = false;
                    }
                }
                if path.is_dir()
                    && let Some(alerts) = alert_house::find_file(&file)
                {
                    all_good &= alert_files::check(&[alerts])?;
                }
                if path.is_dir()
                    && let Some(logs) = log_house::find_file(&file)
                {
                    all_good &= say(&logs, log_house::load(Some(&logs)), &mut out)?;
                }
                if path.is_dir()
                    && let Some(ship) = shipping::find_file(&file)
                {
                    all_good &= say(&ship, shipping::load(&ship), &mut out)?;
                }
            }
            Err(errors) => {
                writeln!(out, "{errors}\n{}: {}", file.display(), counted(errors.0.len(), "problem"))?;
                all_good = false;
            }
        }
    }
    Ok(all_good)
}

/// The same for a configuration of logs or of the shipper.
fn say<T>(file: &Path, loaded: Result<Loaded<T>, ConfigErrors>, out: &mut impl Write) -> anyhow::Result<bool> {
    match loaded {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "{}: ok", file.display())?;
            Ok(true)
        }
        Err(errors) => {
            writeln!(out, "{errors}\n{}: {}", file.display(), counted(errors.0.len(), "problem"))?;
            Ok(false)
        }
    }
}

/// Files that are not there, and what could not be put to work though it can be read. What a missing file is the cause of is
/// said once.
fn problems(config: &PrometheusConfig, missing: Vec<String>) -> Vec<String> {
    let mut problems = missing;
    if problems.is_empty() {
        problems.extend(scrape::check(config).iter().map(ToString::to_string));
        problems.extend(Senders::check(config).err().map(|error| error.to_string()));
    }
    problems
}

/// `1 job`, `2 jobs`
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
