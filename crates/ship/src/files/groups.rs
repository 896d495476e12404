//! Which files a job means: `static_configs` and `file_sd_configs` with `__path__`, after relabelling.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use config::promtail::ShipScrapeConfig;
use config::{NameValidation, RelabelConfig};
use model::Labels;
use serde::Deserialize;
use tracing::warn;

use super::patterns::PathPattern;
use crate::metrics::{ReasonLabel, ShipMetrics};

/// Labels of a group, and the files that have them.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) pattern: PathPattern,
    pub(super) labels: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct WrittenGroup {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// All groups of a job.
pub(super) struct Groups {
    rules: Vec<RelabelConfig>,
    fixed: Vec<Group>,
    patterns: Vec<PathBuf>,
    /// From files: when each was changed, and what it said when it could be read last.
    found: BTreeMap<PathBuf, (Option<SystemTime>, Vec<Group>)>,
    metrics: Arc<ShipMetrics>,
}

impl Groups {
    pub(super) fn new(config: &ShipScrapeConfig, metrics: &Arc<ShipMetrics>) -> Self {
        let mut groups = Groups {
            rules: config.relabel_configs.clone(),
            fixed: Vec::new(),
            patterns: config.file_sd_configs.iter().flat_map(|sd| sd.files.clone()).collect(),
            found: BTreeMap::new(),
            metrics: metrics.clone(),
        };
        for written in &config.static_configs {
            let group = groups.group(&written.targets, &written.labels, &config.job_name);
            groups.fixed.extend(group);
        }
        groups
    }

    /// The groups there are now.
    pub(super) fn current(&mut self, job: &str) -> Vec<Group> {
        self.read_files(job);
        self.fixed.iter().chain(self.found.values().flat_map(|(_, groups)| groups)).cloned().collect()
    }

    fn read_files(&mut self, job: &str) {
        let paths: Vec<PathBuf> = self.patterns.iter().flat_map(|pattern| config::expand_pattern(pattern)).collect();
        self.found.retain(|path, _| paths.contains(path));
        for path in paths {
            let changed = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
            if self.found.get(&path).is_some_and(|(known, _)| *known == changed) {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
            let written =
                text.and_then(|text| serde_saphyr::from_str::<Vec<WrittenGroup>>(&text).map_err(|e| e.to_string()));
            match written {
                Ok(written) => {
                    let groups = written.iter().filter_map(|group| self.group(&group.targets, &group.labels, job));
                    let groups: Vec<Group> = groups.collect();
                    self.found.insert(path, (changed, groups));
                }
                Err(reason) => {
                    warn!(job, path = %path.display(), reason, "a file of file_sd_configs cannot be read; what it said before counts");
                    self.found.entry(path).or_default().0 = changed;
                }
            }
        }
    }

    /// A group whose labels say which files it means.
    fn group(&self, targets: &[String], labels: &BTreeMap<String, String>, job: &str) -> Option<Group> {
        let failed = |reason: &'static str| {
            self.metrics.targets_failed.get_or_create(&ReasonLabel { reason }).inc();
        };
        let mut builder = Labels::from_pairs(labels).to_builder();
        builder.set("__address__", targets.first().map_or("localhost", String::as_str));
        if !scrape::relabel::relabel(&mut builder, &self.rules, NameValidation::Legacy) {
            failed("dropped");
            return None;
        }
        let path = builder.get("__path__").to_owned();
        if path.is_empty() {
            failed("no_path");
            warn!(job, "a target without the label __path__ is left out");
            return None;
        }
        let pattern = match PathPattern::new(&path, Some(builder.get("__path_exclude__"))) {
            Ok(pattern) => pattern,
            Err(reason) => {
                failed("no_path");
                warn!(job, path, reason, "a target whose __path__ is no pattern is left out");
                return None;
            }
        };
        let labels = visible(builder.iter());
        Some(Group { pattern, labels })
    }
}

/// Labels that are sent: those that do not begin with `__`, and the tenant.
pub(crate) fn visible<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let sent = labels
        .filter(|(name, value)| (!name.starts_with("__") || *name == crate::entry::TENANT_LABEL) && !value.is_empty());
    sent.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
