//! Which addresses an entry of the configuration names.

use config::{AlertmanagerConfig, NameValidation};
use model::LabelsBuilder;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const PATH: &str = "__alerts_path__";

/// Where alerts are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The whole URL.
    pub url: String,
}

/// The targets of one entry.
pub(super) struct Targets {
    pub(super) active: Vec<Target>,
    pub(super) dropped: Vec<String>,
}

pub(super) fn targets(config: &AlertmanagerConfig, names: NameValidation) -> Targets {
    let mut found = Targets { active: Vec::new(), dropped: Vec::new() };
    let path = format!("/{}/api/v2/alerts", config.path_prefix.trim_matches('/')).replace("//", "/");
    for group in &config.discovery.static_configs {
        for address in &group.targets {
            let mut labels = LabelsBuilder::default();
            for (name, value) in &group.labels {
                labels.set(name, value);
            }
            labels.set(ADDRESS, address).set(SCHEME, scheme(config)).set(PATH, &path);
            let before = url(&labels);
            let kept = scrape::relabel::relabel(&mut labels, &config.relabel_configs, names);
            if kept && !labels.get(ADDRESS).is_empty() {
                let target = Target { url: url(&labels) };
                if !found.active.contains(&target) {
                    found.active.push(target);
                }
            } else {
                found.dropped.push(before);
            }
        }
    }
    found
}

fn scheme(config: &AlertmanagerConfig) -> &'static str {
    config.scheme.as_str()
}

fn url(labels: &LabelsBuilder) -> String {
    format!("{}://{}{}", labels.get(SCHEME), labels.get(ADDRESS), labels.get(PATH))
}
