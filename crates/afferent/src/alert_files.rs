//! `afferent check alertmanager` and `afferent test routes`, with amtool's verdicts.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alerting::Prepared;
use config::MatcherSyntax;
use model::{Clock, Labels, SystemClock};

use crate::alert_house;
use crate::check::counted;
use crate::cli::TestRoutesArgs;

/// Prints what is wrong with each file; false where anything is.
pub(crate) fn check(files: &[PathBuf]) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut all_good = true;
    for file in files {
        writeln!(out, "Checking '{}'", file.display())?;
        match prepare(file) {
            Ok((prepared, warnings)) => {
                for warning in warnings {
                    writeln!(out, "  warning: {warning}")?;
                }
                let config = prepared.file();
                writeln!(out, "  SUCCESS")?;
                writeln!(out, "Found:\n - global config\n - route")?;
                writeln!(out, " - {}", counted(config.inhibit_rules.len(), "inhibit rule"))?;
                writeln!(out, " - {}", counted(config.receivers.len(), "receiver"))?;
                writeln!(out, " - {}", counted(config.templates.len(), "template"))?;
                writeln!(out, " - {}\n", counted(config.time_intervals.len(), "time interval"))?;
            }
            Err(reasons) => {
                writeln!(out, "  FAILED:\n{reasons}\n")?;
                all_good = false;
            }
        }
    }
    Ok(all_good)
}

fn prepare(file: &Path) -> Result<(Prepared, Vec<String>), String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let loaded = alert_house::load(Some(file), MatcherSyntax::default())?;
    let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
    let prepared = Prepared::new(loaded.config, MatcherSyntax::default(), &clock).map_err(|error| error.to_string())?;
    Ok((prepared, warnings))
}

/// Prints the receivers that labels reach; false where others were expected.
pub(crate) fn routes(args: &TestRoutesArgs) -> anyhow::Result<bool> {
    let (prepared, _) = prepare(&args.config).map_err(anyhow::Error::msg)?;
    let mut pairs = Vec::new();
    for text in &args.labels {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => pairs.push((name, value.trim_matches('"'))),
            _ => anyhow::bail!("{text:?} is no label; write it as name=value"),
        }
    }
    let labels = Labels::from_pairs(pairs);
    let routes = &prepared.setup().routes;
    let matched = routes.matching(&labels);
    let mut receivers: Vec<&str> = matched.iter().map(|id| &*routes.0[*id].receiver).collect();
    receivers.dedup();
    let mut out = std::io::stdout().lock();
    if args.tree {
        for id in &matched {
            let mut path = vec![*id];
            while let Some(parent) = routes.0[path[path.len() - 1]].parent {
                path.push(parent);
            }
            for (depth, id) in path.iter().rev().enumerate() {
                let route = &routes.0[*id];
                let text = if depth == 0 { "default-route".to_owned() } else { config::matchers_text(&route.matchers) };
                writeln!(out, "{:depth$}└── {text}  receiver: {}", "", route.receiver, depth = depth * 4)?;
            }
        }
    }
    let found = receivers.join(",");
    writeln!(out, "{found}")?;
    if let Some(expected) = &args.verify_receivers
        && *expected != found
    {
        writeln!(out, "WARNING: Expected receivers did not match resolved receivers.")?;
        return Ok(false);
    }
    Ok(true)
}
