//! `afferent check config`.

use std::io::Write;
use std::path::Path;

use crate::cli::CheckWhat;
use crate::{log_house, settings};

/// Prints what is wrong with each file; false where anything is.
pub(crate) fn run(what: &CheckWhat) -> anyhow::Result<bool> {
    let CheckWhat::Config { files } = what;
    let mut out = std::io::stdout().lock();
    let mut all_good = true;
    for path in files {
        if log_house::is_config(path) {
            all_good &= check_logs(path, &mut out)?;
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
                let jobs = loaded.config.all_scrape_configs().count();
                writeln!(out, "{}: ok, {}", file.display(), counted(jobs, "scrape job"))?;
                if path.is_dir()
                    && let Some(logs) = log_house::find_file(&file)
                {
                    all_good &= check_logs(&logs, &mut out)?;
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

/// The same for a configuration of logs.
fn check_logs(file: &Path, out: &mut impl Write) -> anyhow::Result<bool> {
    match log_house::load(Some(file)) {
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

/// `1 job`, `2 jobs`
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
