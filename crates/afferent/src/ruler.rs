//! Rules and the Alertmanagers that they tell, as one thing that a configuration decides.

use std::sync::Arc;

use api::RuleGroups;
use config::PrometheusConfig;
use metrics::Store;
use model::{Clock, SampleSink};
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use promql::engine::{CancelFlag, Engine};
use rules::{Alertmanagers, GroupView, LoadedRules, Manager, ManagerOptions, PromqlQueries, RulesError};
use tracing::warn;

/// Evaluates rules over the store.
pub(crate) struct Ruler {
    manager: Arc<Manager>,
    alertmanagers: Arc<Alertmanagers>,
    cancel: CancelFlag,
}

impl Ruler {
    pub(crate) fn new(
        store: Arc<Store>,
        engine: Arc<RwLock<Engine>>,
        sink: Arc<dyn SampleSink>,
        clock: Arc<dyn Clock>,
        external_url: String,
    ) -> Arc<Self> {
        let alertmanagers = Alertmanagers::new();
        let cancel = CancelFlag::default();
        let queries = PromqlQueries { source: store.clone(), engine, cancel: cancel.clone() };
        let manager = Manager::new(ManagerOptions {
            queries: Arc::new(queries),
            source: store,
            sink,
            notifier: alertmanagers.clone(),
            clock,
            external_url,
        });
        Arc::new(Ruler { manager, alertmanagers, cancel })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.manager.register(registry);
        self.alertmanagers.register(registry);
    }

    /// Reads what a configuration asks for and checks that it can be done; nothing changes.
    pub(crate) fn load(&self, config: &PrometheusConfig) -> Result<LoadedRules, RulesError> {
        Alertmanagers::check(config)?;
        self.manager.load(config)
    }

    /// Puts it to work. Must be called within a runtime.
    pub(crate) fn apply(&self, rules: &LoadedRules, config: &PrometheusConfig) -> Result<(), RulesError> {
        for warning in &rules.warnings {
            warn!(%warning, "rule files");
        }
        self.alertmanagers.apply(config)?;
        self.manager.apply(rules, config);
        Ok(())
    }

    /// Stops evaluating, then sends what is still to be sent.
    pub(crate) async fn close(&self) {
        self.cancel.cancel();
        self.manager.close().await;
        self.alertmanagers.close().await;
    }
}

impl RuleGroups for Ruler {
    fn groups(&self) -> Vec<Arc<GroupView>> {
        self.manager.groups()
    }

    fn alertmanagers(&self) -> (Vec<String>, Vec<String>) {
        (self.alertmanagers.active(), self.alertmanagers.dropped())
    }
}
