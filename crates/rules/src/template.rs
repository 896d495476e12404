//! Templates in labels and annotations of alerting rules, and in nothing else.

use std::sync::Arc;

use gotemplate::funcs::prometheus::{self, DEFINITIONS, NoQuery};
use gotemplate::{Funcs, Limits, Template};
use model::{SampleValue, Timestamp};
use promql::engine::VectorSample;

use crate::query::Queries;

/// A label or annotation whose value may be a template.
#[derive(Clone, Debug)]
pub(crate) enum TemplatedText {
    /// No template: the text itself.
    Plain(String),
    /// Parsed under the name of its alert.
    Template { name: String, template: Box<Template> },
}

impl TemplatedText {
    /// Parses the text of a rule; the error is Go's.
    pub(crate) fn parse(alert: &str, text: &str) -> Result<Self, gotemplate::Error> {
        if !text.contains("{{") {
            return Ok(TemplatedText::Plain(text.to_owned()));
        }
        let name = format!("__alert_{alert}");
        let functions = prometheus::functions(Arc::new(NoQuery), Timestamp(0), "");
        let template = Template::parse(&name, &format!("{DEFINITIONS}{text}"), &functions)?;
        Ok(TemplatedText::Template { name, template: Box::new(template) })
    }

    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, TemplatedText::Plain(_))
    }
}

/// What templates of one evaluation share.
pub(crate) struct Expansion<'a> {
    pub(crate) functions: Funcs,
    pub(crate) external_labels: &'a [(String, String)],
    pub(crate) external_url: &'a str,
}

impl<'a> Expansion<'a> {
    /// Functions that ask `queries` at the time of the evaluation.
    pub(crate) fn new(
        queries: &Arc<dyn Queries>,
        at: Timestamp,
        external_labels: &'a [(String, String)],
        external_url: &'a str,
    ) -> Self {
        let query = Arc::new(QueriesAt { queries: queries.clone(), at });
        Expansion { functions: prometheus::functions(query, at, external_url), external_labels, external_url }
    }

    /// The data of one sample.
    pub(crate) fn data(&self, sample: &VectorSample) -> gotemplate::Value {
        let labels = pairs(&sample.labels);
        prometheus::alert_data(&labels, self.external_labels, self.external_url, float(&sample.value))
    }

    /// The text, or in its place what is wrong: a bad template never drops an alert.
    pub(crate) fn expand(&self, text: &TemplatedText, data: &gotemplate::Value) -> String {
        match text {
            TemplatedText::Plain(text) => text.clone(),
            TemplatedText::Template { name, template } => {
                let template = template.as_ref().clone().with_funcs(&self.functions);
                template.execute(name, data, &Limits::default()).unwrap_or_else(|error| {
                    tracing::warn!(template = name, %error, "expanding a template of an alert failed");
                    format!("<error expanding template: error executing template {name}: {error}>")
                })
            }
        }
    }
}

/// Prometheus shows templates the float of a sample; of a histogram there is none.
pub(crate) fn float(value: &SampleValue) -> f64 {
    match value {
        SampleValue::Float(v) => *v,
        SampleValue::Histogram(_) => 0.0,
    }
}

pub(crate) fn pairs(labels: &model::Labels) -> Vec<(String, String)> {
    labels.iter().map(|label| (label.name.to_owned(), label.value.to_owned())).collect()
}

struct QueriesAt {
    queries: Arc<dyn Queries>,
    at: Timestamp,
}

impl prometheus::Query for QueriesAt {
    fn query(&self, expression: &str) -> Result<Vec<prometheus::Sample>, String> {
        let samples = self.queries.vector(expression, self.at)?;
        let sample = |s: VectorSample| prometheus::Sample { labels: pairs(&s.labels), value: float(&s.value) };
        Ok(samples.into_iter().map(sample).collect())
    }
}
