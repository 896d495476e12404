//! `count_values`: one output series for each value.

use std::collections::HashMap;

use model::float::format_f;
use model::{Labels, METRIC_NAME, SampleValue};

use super::{Evaluator, Series};
use crate::ast::Aggregate;
use crate::engine::QueryError;
use crate::functions::labels::{is_label_name, text_of};

impl Evaluator<'_> {
    pub(crate) fn eval_count_values(&mut self, aggregate: &Aggregate) -> Result<Vec<Series>, QueryError> {
        let label = aggregate.param.as_ref().map_or("", |p| text_of(p));
        if !is_label_name(label) {
            let span = aggregate.param.as_ref().map_or_else(Default::default, |p| p.span());
            let written = self.query.text.get(span.start..span.end).unwrap_or(label);
            return Err(QueryError::execution(format!("invalid label name {written}")));
        }
        let input = self.eval_vector(&aggregate.expr)?;
        let mut output: Vec<Series> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for series in &input {
            // Few different values are usual, so each text and its place are remembered.
            let mut known: HashMap<String, usize> = HashMap::new();
            for step in 0..self.steps.count {
                let text = match series.value(step) {
                    None => continue,
                    Some(SampleValue::Float(v)) => format_f(v),
                    Some(SampleValue::Histogram(h)) => h.to_string(),
                };
                let place = *known.entry(text).or_insert_with_key(|text| {
                    let labels = result_labels(aggregate, label, text, &series.labels);
                    *places.entry(labels.clone()).or_insert_with(|| {
                        output.push(Series::new(labels));
                        output.len() - 1
                    })
                });
                let count = output[place].float(step).unwrap_or(0.0) + 1.0;
                output[place].set_float(step, count, self.steps.count);
            }
        }
        Ok(output)
    }
}

fn result_labels(aggregate: &Aggregate, label: &str, text: &str, labels: &Labels) -> Labels {
    let mut builder = labels.to_builder();
    builder.set(label, text);
    let listed = |name: &str| aggregate.grouping.iter().any(|n| n == name);
    if aggregate.without {
        builder.retain(|name, _| !listed(name) && name != METRIC_NAME);
    } else {
        builder.retain(|name, _| listed(name) || name == label);
    }
    builder.build()
}
