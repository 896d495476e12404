//! Where targets come from: the configuration itself, files, URLs, DNS.
//!
//! Each source runs as a task of its own and publishes its groups whole; the pool takes the newest of all sources. A source
//! that fails keeps what it found last.

mod dns;
mod file;
mod http_sd;

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{DiscoveryConfigs, StaticConfig};
use model::Labels;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metrics::ScrapeMetrics;

/// Targets found in one place, with the labels they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TargetGroup {
    /// The place, for messages.
    pub(crate) source: String,
    /// Labels of each target, `__address__` among them. They win over the group's.
    pub(crate) targets: Vec<Labels>,
    /// Labels of all.
    pub(crate) labels: Labels,
}

/// All groups of one source.
pub(crate) type Groups = Vec<Arc<TargetGroup>>;

/// The sources of one pool. Dropping it stops them.
pub(crate) struct Discovery {
    sources: Vec<watch::Receiver<Groups>>,
    tasks: Vec<JoinHandle<()>>,
    changes: watch::Sender<u64>,
    troubles: Troubles,
}

/// What a source needs to run.
#[derive(Clone)]
pub(crate) struct SourceContext {
    /// Job name.
    pub(crate) pool: String,
    /// Counters.
    pub(crate) metrics: Arc<ScrapeMetrics>,
    /// Where DNS questions go; `None` for the servers of the system.
    pub(crate) dns_server: Option<std::net::SocketAddr>,
    /// Where failures are shown.
    pub(crate) troubles: Troubles,
}

/// What does not work in a pool's discovery at this moment, by the place that was asked. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles(Arc<Mutex<BTreeMap<String, String>>>);

impl Troubles {
    /// A place could not be asked.
    pub(crate) fn note(&self, place: &str, error: &str) {
        self.0.lock().insert(place.to_owned(), format!("{place}: {error}"));
    }

    /// A place has answered.
    pub(crate) fn clear(&self, place: &str) {
        self.0.lock().remove(place);
    }

    /// All of them, in words.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().values().cloned().collect()
    }
}

/// How a source publishes what it found.
pub(crate) struct Publisher {
    groups: watch::Sender<Groups>,
    changes: watch::Sender<u64>,
}

impl Publisher {
    /// Replaces all groups of the source. Equal groups are no change.
    pub(crate) fn publish(&self, groups: Groups) {
        let changed = self.groups.send_if_modified(|old| {
            let changed = *old != groups;
            *old = groups;
            changed
        });
        if changed {
            self.changes.send_modify(|version| *version += 1);
        }
    }
}

impl Discovery {
    /// Starts all sources.
    pub(crate) fn start(configs: &DiscoveryConfigs, context: &SourceContext) -> Result<Self, crate::ScrapeError> {
        let changes = watch::Sender::new(0);
        let mut discovery = Discovery {
            sources: Vec::new(),
            tasks: Vec::new(),
            changes: changes.clone(),
            troubles: context.troubles.clone(),
        };
        discovery.add(&changes).publish(static_groups(&configs.static_configs));
        for file in &configs.file_sd_configs {
            let publisher = discovery.add(&changes);
            discovery.tasks.push(tokio::spawn(file::run(file.clone(), publisher, context.clone())));
        }
        for url in &configs.http_sd_configs {
            let publisher = discovery.add(&changes);
            let client = client::HttpClient::new(&url.http)
                .map_err(|reason| crate::ScrapeError::Client { pool: context.pool.clone(), reason })?;
            discovery.tasks.push(tokio::spawn(http_sd::run(url.clone(), client, publisher, context.clone())));
        }
        for names in &configs.dns_sd_configs {
            let publisher = discovery.add(&changes);
            discovery.tasks.push(tokio::spawn(dns::run(names.clone(), publisher, context.clone())));
        }
        Ok(discovery)
    }

    fn add(&mut self, changes: &watch::Sender<u64>) -> Publisher {
        let (groups, receiver) = watch::channel(Vec::new());
        self.sources.push(receiver);
        Publisher { groups, changes: changes.clone() }
    }

    /// Everything that is known now.
    pub(crate) fn groups(&self) -> Groups {
        self.sources.iter().flat_map(|source| source.borrow().clone()).collect()
    }

    /// What does not work at this moment.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.troubles.texts()
    }

    /// A receiver that notices every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Lets everybody notice a change that is not one of the groups.
    pub(crate) fn look_again(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn static_groups(configs: &[StaticConfig]) -> Groups {
    let group = |(index, config): (usize, &StaticConfig)| {
        Arc::new(TargetGroup {
            source: index.to_string(),
            targets: config.targets.iter().map(|address| address_labels(address)).collect(),
            labels: Labels::from_pairs(&config.labels),
        })
    };
    configs.iter().enumerate().map(group).collect()
}

pub(crate) fn address_labels(address: &str) -> Labels {
    Labels::from_pairs([("__address__", address)])
}

/// A group as files and URLs write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Turns groups as written into groups, each with one more label that says where it was found.
fn groups_from(files: Vec<Option<GroupFile>>, place: &str, place_label: &str) -> Result<Groups, String> {
    let mut groups = Groups::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let file = file.ok_or("nil target group item found")?;
        let mut labels = file.labels.unwrap_or_default();
        labels.insert(place_label.to_owned(), place.to_owned());
        groups.push(Arc::new(TargetGroup {
            source: format!("{place}:{index}"),
            targets: file.targets.iter().map(|address| address_labels(address)).collect(),
            labels: Labels::from_pairs(&labels),
        }));
    }
    Ok(groups)
}
