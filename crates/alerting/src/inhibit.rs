//! Inhibition: an alert that matches a rule's target stays quiet while one that matches its source fires, where both agree in the
//! labels of `equal`.
//!
//! Which rules an alert is a source of follows from its labels alone, so sources are kept by rule and by the values of those
//! labels; a question costs one look-up for each rule whose target it matches.

use std::collections::{BTreeSet, HashMap};

use config::InhibitRuleConfig;
use model::{Labels, Matcher};

use crate::alert::Fingerprint;

#[derive(Debug)]
struct Rule {
    config: InhibitRuleConfig,
    sources: HashMap<Vec<String>, BTreeSet<Fingerprint>>,
}

/// All rules with the alerts that are sources of theirs.
#[derive(Debug, Default)]
pub(crate) struct Inhibitor {
    rules: Vec<Rule>,
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")))
}

impl Rule {
    /// A rule without matchers matches nothing, where Alertmanager's would match everything: an empty rule does no harm.
    fn is_source(&self, labels: &Labels) -> bool {
        !self.config.source.is_empty() && all_match(&self.config.source, labels)
    }

    fn is_target(&self, labels: &Labels) -> bool {
        !self.config.target.is_empty() && all_match(&self.config.target, labels)
    }

    fn key(&self, labels: &Labels) -> Vec<String> {
        self.config.equal.iter().map(|name| labels.get(name).unwrap_or("").to_owned()).collect()
    }
}

impl Inhibitor {
    pub(crate) fn new(rules: &[InhibitRuleConfig]) -> Self {
        let rules = rules.iter().map(|config| Rule { config: config.clone(), sources: HashMap::new() });
        Inhibitor { rules: rules.collect() }
    }

    /// An alert is known from now on.
    pub(crate) fn add(&mut self, fingerprint: Fingerprint, labels: &Labels) {
        for rule in &mut self.rules {
            if rule.is_source(labels) {
                rule.sources.entry(rule.key(labels)).or_default().insert(fingerprint);
            }
        }
    }

    /// An alert is forgotten.
    pub(crate) fn remove(&mut self, fingerprint: Fingerprint, labels: &Labels) {
        for rule in &mut self.rules {
            let key = rule.key(labels);
            if let Some(sources) = rule.sources.get_mut(&key) {
                sources.remove(&fingerprint);
                if sources.is_empty() {
                    rule.sources.remove(&key);
                }
            }
        }
    }

    /// The first alert that inhibits this one. `firing` answers the labels of an alert that has not ended.
    pub(crate) fn inhibitor<'a>(
        &self,
        labels: &Labels,
        firing: impl Fn(Fingerprint) -> Option<&'a Labels>,
    ) -> Option<Fingerprint> {
        for rule in &self.rules {
            if !rule.is_target(labels) {
                continue;
            }
            let Some(sources) = rule.sources.get(&rule.key(labels)) else { continue };
            // An alert that matches both sides is not inhibited by another one that does, itself among them.
            let two_sided = rule.is_source(labels);
            let inhibits =
                |source: &&Fingerprint| firing(**source).is_some_and(|labels| !(two_sided && rule.is_target(labels)));
            if let Some(source) = sources.iter().find(inhibits) {
                return Some(*source);
            }
        }
        None
    }
}
