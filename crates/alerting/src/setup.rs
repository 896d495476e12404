//! A configuration put to work: what the engine asks while it runs.

use std::collections::HashMap;
use std::sync::Arc;

use config::{AlertingConfigFile, InhibitRuleConfig, IntegrationKind, MatcherSyntax, SilenceLimits, TimeInterval};
use model::Timestamp;

use crate::notice::IntegrationId;
use crate::routes::{Route, Routes};

/// One integration of a receiver.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its name.
    pub id: IntegrationId,
    /// Its protocol.
    pub kind: IntegrationKind,
    /// Whether ended alerts are told.
    pub send_resolved: bool,
}

/// Everything that decides who is told of what, and when.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The tree.
    pub routes: Routes,
    /// Integrations by receiver.
    pub receivers: HashMap<Arc<str>, Vec<Integration>>,
    /// Names of receivers in the order of the file.
    pub receiver_names: Vec<Arc<str>>,
    /// Which alerts keep others quiet.
    pub inhibit_rules: Vec<InhibitRuleConfig>,
    /// Named times.
    pub intervals: HashMap<String, Vec<TimeInterval>>,
    /// After how long an alert that names no end counts as ended, in milliseconds.
    pub resolve_timeout_ms: i64,
    /// What is asked of silences.
    pub silences: SilenceLimits,
    /// How matchers are read.
    pub syntax: MatcherSyntax,
    /// No group is looked at before (`--dispatch.start-delay`).
    pub not_before: Timestamp,
}

impl Setup {
    /// Of a configuration.
    pub fn new(config: &AlertingConfigFile, syntax: MatcherSyntax) -> Self {
        let mut setup = Setup {
            routes: Routes::new(&config.route),
            inhibit_rules: config.inhibit_rules.clone(),
            intervals: config
                .time_intervals
                .iter()
                .map(|named| (named.name.clone(), named.intervals.clone()))
                .collect(),
            resolve_timeout_ms: config.resolve_timeout.ms(),
            silences: config.silences,
            syntax,
            not_before: Timestamp::MIN,
            ..Setup::default()
        };
        for receiver in &config.receivers {
            let integrations = receiver.integrations.iter().map(|integration| Integration {
                id: IntegrationId::new(&receiver.name, integration.kind, integration.index),
                kind: integration.kind,
                send_resolved: integration.send_resolved,
            });
            let name: Arc<str> = receiver.name.as_str().into();
            setup.receiver_names.push(name.clone());
            setup.receivers.insert(name, integrations.collect());
        }
        setup
    }

    /// The integrations of a receiver.
    pub fn integrations(&self, receiver: &str) -> &[Integration] {
        self.receivers.get(receiver).map_or(&[], Vec::as_slice)
    }

    /// A route by its id.
    pub fn route(&self, id: &str) -> Option<&Route> {
        self.routes.0.iter().find(|route| *route.id == *id)
    }

    /// The names of intervals because of which a route is quiet at a time: outside of all its active ones, or within muted ones.
    pub fn muted_by(&self, route: &Route, now: Timestamp) -> Vec<String> {
        let within =
            |name: &String| self.intervals.get(name).is_some_and(|all| all.iter().any(|one| one.contains(now)));
        if !route.active.is_empty() && !route.active.iter().any(within) {
            return route.active.clone();
        }
        route.mute.iter().filter(|name| within(name)).cloned().collect()
    }
}
