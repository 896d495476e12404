//! A group: rules evaluated in order at a time that the caller chooses. Follows Prometheus' `rules/group.go`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use config::{RuleFile, RuleGroupConfig};
use model::{Clock, Labels, SampleSink, SeriesSource, Timestamp};
use tracing::{debug, warn};

use crate::alert::Alert;
use crate::alerting::Evaluation;
use crate::language::Language;
use crate::metrics::RuleMetrics;
use crate::notify::{Notify, notifications};
use crate::query::Queries;
use crate::rule::{Rule, Written};
use crate::view::{GroupView, Health};
use crate::write::{mark_stale, write};

/// What all groups share.
pub struct Environment {
    /// Evaluates expressions.
    pub queries: Arc<dyn Queries>,
    /// Where the state of an earlier process is read.
    pub states: Arc<dyn SeriesSource>,
    /// Where results are written.
    pub sink: Arc<dyn SampleSink>,
    /// Who is told of alerts.
    pub notifier: Arc<dyn Notify>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// `global.external_labels`, for templates.
    pub external_labels: Vec<(String, String)>,
    /// Where people find this server, for templates and links.
    pub external_url: String,
    /// How often an alert that goes on is sent again, in milliseconds. Prometheus: 1 m.
    pub resend_delay_ms: i64,
    /// How long the process may have been away for the state to be restored, in milliseconds. Prometheus: 1 h.
    pub outage_tolerance_ms: i64,
    /// How long a restored alert stays pending at least, in milliseconds; rules with a shorter `for` are not restored.
    /// Prometheus: 10 m.
    pub for_grace_period_ms: i64,
    /// What is counted.
    pub metrics: Arc<RuleMetrics>,
}

/// What a group is made from; groups that agree in this go on through a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// What its expressions are written in.
    pub language: Language,
    /// Its file.
    pub file: String,
    /// As written.
    pub config: RuleGroupConfig,
    /// Milliseconds between evaluations.
    pub interval_ms: i64,
    /// How far back it is evaluated, in milliseconds.
    pub query_offset_ms: i64,
}

impl GroupSettings {
    /// The groups of a file, with defaults for what they do not say.
    pub fn of_file(file: &RuleFile, language: Language, interval_ms: i64, query_offset_ms: i64) -> Vec<GroupSettings> {
        let settings = |config: &RuleGroupConfig| GroupSettings {
            language,
            file: file.path.display().to_string(),
            interval_ms: config.interval.map_or(interval_ms, config::Millis::ms),
            query_offset_ms: config.query_offset.map_or(query_offset_ms, config::Millis::ms),
            config: config.clone(),
        };
        file.groups.iter().map(settings).collect()
    }

    /// Prometheus' key of a group.
    pub fn key(&self) -> String {
        format!("{};{}", self.file, self.config.name)
    }
}

/// A group with the state of its rules.
#[derive(Clone, Debug)]
pub struct Group {
    settings: GroupSettings,
    pub(crate) rules: Vec<Rule>,
    /// Series of rules that are no more; marked as gone by the next evaluation.
    stale: Written,
    evaluation_seconds: f64,
    last_evaluation: Option<Timestamp>,
}

impl Group {
    /// A group without state. `restored` says that there is no earlier state to look for.
    pub fn new(settings: GroupSettings, restored: bool) -> Self {
        let rule = |config| Rule::new(settings.language, &settings.config, config, restored);
        let rules = settings.config.rules.iter().map(rule).collect();
        Group { rules, settings, stale: Written::new(), evaluation_seconds: 0.0, last_evaluation: None }
    }

    /// What it was made from.
    pub fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    /// Evaluates every rule in order, writes what they produce and tells of alerts. Blocks until all is durable.
    pub fn evaluate(&mut self, environment: &Environment, at: Timestamp) {
        let begin = Instant::now();
        let key = self.settings.key();
        let mut samples = 0;
        for index in 0..self.rules.len() {
            samples += self.evaluate_rule(index, environment, at, &key);
        }
        if !self.stale.is_empty() {
            let written_at = at.plus_ms(-self.settings.query_offset_ms);
            if let Err(error) = mark_stale(&*environment.sink, &self.stale, written_at) {
                warn!(group = key, error, "stale markers for removed rules were not written");
            }
            self.stale.clear();
        }
        self.evaluation_seconds = begin.elapsed().as_secs_f64();
        self.last_evaluation = Some(at);
        let rules_seconds = self.rules.iter().map(|rule| rule.evaluation_seconds).sum();
        environment.metrics.evaluated(&key, samples, self.evaluation_seconds, rules_seconds, at);
    }

    fn evaluate_rule(&mut self, index: usize, environment: &Environment, at: Timestamp, key: &str) -> usize {
        let begin = Instant::now();
        let rule = &mut self.rules[index];
        rule.last_evaluation = Some(at);
        let (name, raw_labels) = (rule.name.clone(), rule.labels.clone());
        let given = Evaluation {
            name: &name,
            raw_labels: &raw_labels,
            at,
            offset_ms: self.settings.query_offset_ms,
            limit: self.settings.config.limit,
            environment,
            queries: &environment.queries,
        };
        let result = rule.evaluate(&given).and_then(|samples| {
            if let Some(alerting) = &mut rule.alerting {
                let due = alerting.active.values_mut();
                let due = notifications(due, &rule.query, at, self.settings.interval_ms, environment);
                if !due.is_empty() {
                    environment.notifier.notify(due);
                }
            }
            let count = samples.len();
            let written_at = at.plus_ms(-self.settings.query_offset_ms);
            let outcome = write(&*environment.sink, samples, &rule.written, written_at)?;
            rule.written = outcome.written;
            match outcome.first_refusal {
                None => Ok(count),
                Some(reason) => {
                    debug!(group = key, rule = name, refused = ?outcome.refused, "samples of a rule were refused");
                    Err(format!("{reason} (refused: {:?})", outcome.refused))
                }
            }
        });
        rule.evaluation_seconds = begin.elapsed().as_secs_f64();
        environment.metrics.rule_evaluated(key, rule.evaluation_seconds, result.is_err());
        match result {
            Ok(count) => {
                rule.health = Health::Good;
                rule.last_error.clear();
                count
            }
            Err(error) => {
                warn!(group = key, rule = name, error, "evaluating a rule failed");
                rule.health = Health::Bad;
                rule.last_error = error;
                0
            }
        }
    }

    /// Takes over the state of an older version of the group: of each rule with the same name and labels. The series of
    /// rules that are no more are marked as gone by the next evaluation.
    pub fn copy_state(&mut self, from: &mut Group) {
        self.evaluation_seconds = from.evaluation_seconds;
        self.last_evaluation = from.last_evaluation;
        self.stale = std::mem::take(&mut from.stale);
        let mut old: HashMap<(String, Labels), Vec<usize>> = HashMap::new();
        for (index, rule) in from.rules.iter().enumerate().rev() {
            old.entry(rule.identity()).or_default().push(index);
        }
        for rule in &mut self.rules {
            let Some(index) = old.get_mut(&rule.identity()).and_then(Vec::pop) else { continue };
            let earlier = &mut from.rules[index];
            rule.written = std::mem::take(&mut earlier.written);
            rule.last_evaluation = earlier.last_evaluation;
            rule.health = earlier.health;
            if let (Some(now), Some(before)) = (&mut rule.alerting, &mut earlier.alerting) {
                now.active = std::mem::take(&mut before.active);
                now.restored = before.restored;
            }
        }
        for rule in &mut from.rules {
            self.stale.extend(std::mem::take(&mut rule.written));
        }
    }

    /// Series written by the last evaluation, and those still to be marked as gone; the group forgets them.
    pub(crate) fn take_written(&mut self) -> Written {
        let mut written = std::mem::take(&mut self.stale);
        for rule in &mut self.rules {
            written.extend(std::mem::take(&mut rule.written));
        }
        written
    }

    /// True where a rule of the group wrote the series last time.
    pub(crate) fn writes(&self, series: &Labels) -> bool {
        self.rules.iter().any(|rule| rule.written.contains_key(series))
    }

    /// Alerts that are pending or fire, rule by rule.
    pub fn alerts(&self) -> impl Iterator<Item = (&str, &Alert)> {
        self.rules.iter().flat_map(|rule| {
            rule.alerting.iter().flat_map(|alerting| alerting.current()).map(|alert| (rule.name.as_str(), alert))
        })
    }

    /// The last errors of rules, by name.
    pub fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        let failed = self.rules.iter().filter(|rule| rule.health == Health::Bad);
        failed.map(|rule| (rule.name.as_str(), rule.last_error.as_str()))
    }

    /// A copy for others.
    pub fn view(&self) -> GroupView {
        GroupView {
            name: self.settings.config.name.clone(),
            file: self.settings.file.clone(),
            interval_ms: self.settings.interval_ms,
            limit: self.settings.config.limit,
            evaluation_seconds: self.evaluation_seconds,
            last_evaluation: self.last_evaluation,
            rules: self.rules.iter().map(Rule::view).collect(),
        }
    }
}
