//! One rule of a running group.

use std::collections::HashMap;

use config::{RuleConfig, RuleGroupConfig, RuleKind};
use model::{Labels, METRIC_NAME, Sample, SeriesRef, Timestamp};
use promql::engine::VectorSample;

use crate::alert::AlertState;
use crate::alerting::{Alerting, Evaluation};
use crate::language::Language;
use crate::template::TemplatedText;
use crate::view::{AlertingView, Health, RuleView};

/// Series and what the store calls them.
pub(crate) type Written = HashMap<Labels, Option<SeriesRef>>;

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) expr: String,
    /// The expression as the language prints it.
    pub(crate) query: String,
    /// With those of the group, as written.
    pub(crate) labels: Labels,
    /// `None` for a recording rule.
    pub(crate) alerting: Option<Alerting>,
    pub(crate) health: Health,
    pub(crate) last_error: String,
    pub(crate) evaluation_seconds: f64,
    pub(crate) last_evaluation: Option<Timestamp>,
    /// Series written by the last evaluation.
    pub(crate) written: Written,
}

impl Rule {
    /// A rule that was checked before: what cannot be parsed stands for itself.
    pub(crate) fn new(language: Language, group: &RuleGroupConfig, config: &RuleConfig, restored: bool) -> Self {
        let name = config.name.text.clone();
        let texts = group.labels_of(config);
        let labels = Labels::from_pairs(texts.iter().map(|(name, text)| (*name, text.text.as_str())));
        let templated = |name: &str, text: &str| {
            let parsed = TemplatedText::parse(&config.name.text, text);
            (name.to_owned(), parsed.unwrap_or_else(|_| TemplatedText::Plain(text.to_owned())))
        };
        let alerting = (config.kind == RuleKind::Alerting).then(|| Alerting {
            hold_ms: config.hold.ms(),
            keep_firing_for_ms: config.keep_firing_for.ms(),
            labels: texts.iter().map(|(name, text)| templated(name, &text.text)).collect(),
            annotations: config.annotations.iter().map(|(name, text)| templated(name, &text.text)).collect(),
            annotation_texts: Labels::from_pairs(config.annotations.iter().map(|(name, text)| (name, &text.text))),
            active: Default::default(),
            restored,
        });
        let query = language.check(&config.expr.text).unwrap_or_else(|_| config.expr.text.clone());
        Rule {
            name,
            expr: config.expr.text.clone(),
            query,
            labels,
            alerting,
            health: Health::Unknown,
            last_error: String::new(),
            evaluation_seconds: 0.0,
            last_evaluation: None,
            written: Written::new(),
        }
    }

    /// What a rule keeps its state under when its file changes.
    pub(crate) fn identity(&self) -> (String, Labels) {
        (self.name.clone(), self.labels.clone())
    }

    /// Evaluates the rule; the samples are to be written.
    pub(crate) fn evaluate(&mut self, given: &Evaluation<'_>) -> Result<Vec<(Labels, Sample)>, String> {
        let at = given.at.plus_ms(-given.offset_ms);
        let result = given.queries.vector(&self.expr, at)?;
        match &mut self.alerting {
            Some(alerting) => alerting.evaluate(given, &result),
            None => record(&self.name, &self.labels, result, at, given.limit),
        }
    }

    pub(crate) fn view(&self) -> RuleView {
        let alerting = self.alerting.as_ref().map(|alerting| AlertingView {
            hold_ms: alerting.hold_ms,
            keep_firing_for_ms: alerting.keep_firing_for_ms,
            annotations: alerting.annotation_texts.clone(),
            state: if self.last_evaluation.is_none() { AlertState::Unknown } else { alerting.state() },
            alerts: alerting.current().cloned().collect(),
        });
        RuleView {
            name: self.name.clone(),
            query: self.query.clone(),
            labels: self.labels.clone(),
            health: self.health,
            last_error: self.last_error.clone(),
            evaluation_seconds: self.evaluation_seconds,
            last_evaluation: self.last_evaluation,
            alerting,
        }
    }
}

/// The result under the rule's name and labels.
fn record(
    name: &str,
    labels: &Labels,
    result: Vec<VectorSample>,
    at: Timestamp,
    limit: usize,
) -> Result<Vec<(Labels, Sample)>, String> {
    let mut samples = Vec::with_capacity(result.len());
    for sample in result {
        let mut series = sample.labels.to_builder();
        series.set(METRIC_NAME, name);
        for label in labels {
            series.set(label.name, label.value);
        }
        samples.push((series.build(), Sample { timestamp: at, start_timestamp: None, value: sample.value }));
    }
    samples.sort_by(|(a, _), (b, _)| a.cmp(b));
    if samples.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err("vector contains metrics with the same labelset after applying rule labels".to_owned());
    }
    if limit > 0 && samples.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", samples.len()));
    }
    Ok(samples)
}
