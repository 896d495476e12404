//! `afferent check config`.

use std::io::Write;

use crate::cli::CheckWhat;
use crate::settings;

/// Prints what is wrong with each file; false where anything is.
pub(crate) fn run(what: &CheckWhat) -> anyhow::Result<bool> {
    let CheckWhat::Config { files } = what;
    let mut out = std::io::stdout().lock();
    let mut all_good = true;
    for path in files {
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
            }
            Err(errors) => {
                writeln!(out, "{errors}\n{}: {}", file.display(), counted(errors.0.len(), "problem"))?;
                all_good = false;
            }
        }
    }
    Ok(all_good)
}

/// `1 job`, `2 jobs`
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
