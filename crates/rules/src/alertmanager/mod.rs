//! Sends alerts to the Alertmanagers of a configuration by their API v2. Follows Prometheus' `notifier`: a queue for each
//! Alertmanager, batches, and no second attempt, because alerts that go on are sent again every minute and resolved ones for
//! a quarter of an hour.

mod encode;
mod metrics;
mod sender;
mod target;

use std::sync::Arc;

use client::HttpClient;
use config::{AlertmanagerConfig, NameValidation, PrometheusConfig, RelabelConfig};
use model::Labels;
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::RulesError;
use crate::notify::{Notification, Notify};

use metrics::NotifierMetrics;
use sender::Sender;
pub use target::Target;

#[derive(Default)]
struct Current {
    senders: Vec<Arc<Sender>>,
    dropped: Vec<String>,
    external_labels: Labels,
    alert_relabel_configs: Vec<RelabelConfig>,
    names: NameValidation,
}

/// All Alertmanagers of a configuration. Only static targets are known.
pub struct Alertmanagers {
    metrics: Arc<NotifierMetrics>,
    current: RwLock<Current>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Alertmanagers {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Alertmanagers {
            metrics: Arc::default(),
            current: RwLock::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Makes its metrics part of a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Whether the entries of a configuration can be used; nothing changes.
    pub fn check(config: &PrometheusConfig) -> Result<(), RulesError> {
        clients(&config.alerting.alertmanagers).map(|_| ())
    }

    /// Puts a configuration to work; queues of Alertmanagers that stay are kept. Must be called within a runtime.
    pub fn apply(&self, config: &PrometheusConfig) -> Result<(), RulesError> {
        let names = config.global.metric_name_validation_scheme;
        let mut current = self.current.write();
        let mut old = std::mem::take(&mut current.senders);
        let mut dropped = Vec::new();
        for (entry, client) in clients(&config.alerting.alertmanagers)? {
            let found = target::targets(entry, names);
            dropped.extend(found.dropped);
            for target in found.active {
                if current.senders.iter().any(|known| known.target == target && known.config == *entry) {
                    continue;
                }
                let known = old.iter().position(|known| known.target == target && known.config == *entry);
                let sender = match known {
                    Some(index) => old.remove(index),
                    None => self.start(target, entry, client.clone(), names),
                };
                current.senders.push(sender);
            }
        }
        for sender in old {
            self.metrics.removed(&sender.target.url);
            sender.stop.cancel();
        }
        self.metrics.discovered.set(current.senders.len() as i64);
        current.dropped = dropped;
        current.external_labels = config.global.external_labels.clone();
        current.alert_relabel_configs = config.alerting.alert_relabel_configs.clone();
        current.names = names;
        Ok(())
    }

    fn start(
        &self,
        target: Target,
        config: &AlertmanagerConfig,
        client: HttpClient,
        names: NameValidation,
    ) -> Arc<Sender> {
        let sender =
            Arc::new(Sender::new(target, config.clone(), client, names, self.metrics.clone(), self.stop.child_token()));
        self.tasks.spawn(sender.clone().run());
        sender
    }

    /// URLs that alerts are sent to.
    pub fn active(&self) -> Vec<String> {
        self.current.read().senders.iter().map(|sender| sender.target.url.clone()).collect()
    }

    /// URLs that relabelling dropped.
    pub fn dropped(&self) -> Vec<String> {
        self.current.read().dropped.clone()
    }

    /// Sends what waits, once, and stops.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn clients(entries: &[AlertmanagerConfig]) -> Result<Vec<(&AlertmanagerConfig, HttpClient)>, RulesError> {
    let mut made = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let client = HttpClient::new(&entry.http).map_err(|source| RulesError::Alertmanager { index, source })?;
        made.push((entry, client));
    }
    Ok(made)
}

impl Notify for Alertmanagers {
    fn notify(&self, alerts: Vec<Notification>) {
        let current = self.current.read();
        if current.senders.is_empty() {
            return;
        }
        let ready = encode::relabelled(alerts, &current.external_labels, &current.alert_relabel_configs, current.names);
        for sender in &current.senders {
            sender.push(&ready);
        }
    }
}
