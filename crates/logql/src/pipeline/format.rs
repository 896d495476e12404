//! `line_format` and `label_format`: Go templates over the labels of a line.

use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::funcs::loki::{Entry, functions};
use gotemplate::{Limits, Template, Value};
use model::{Clock, ManualClock, Timestamp};

use super::labels::{ERROR, LineLabels, StreamLabels};
use crate::syntax::ast::{LabelFormat, LabelFormatValue};

const TEMPLATE_ERROR: &str = "TemplateFormatErr";

/// The entry that templates are executed for.
#[derive(Debug, Default)]
struct Current(Mutex<(Vec<u8>, i64)>);

impl Current {
    fn set(&self, line: &[u8], timestamp: i64) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.0.clear();
        current.0.extend_from_slice(line);
        current.1 = timestamp;
    }
}

impl Entry for Current {
    fn line(&self) -> String {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gotemplate::text::lossy(&current.0).into_owned()
    }

    fn timestamp_nanos(&self) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// A template with the labels that it reads.
struct LabelTemplate {
    template: Template,
    name: &'static str,
    fields: Option<Vec<String>>,
}

impl LabelTemplate {
    fn new(name: &'static str, text: &str, current: &Arc<Current>, clock: &Arc<dyn Clock>) -> Result<Self, String> {
        let funcs = functions(current.clone(), clock.clone());
        let template = Template::parse(name, text, &funcs).map_err(|error| error.to_string())?;
        let fields = template.fields(name);
        Ok(LabelTemplate { template, name, fields })
    }

    fn data(&self, stream: &StreamLabels, labels: &LineLabels) -> Value {
        match &self.fields {
            Some(fields) if !fields.iter().any(|field| field.starts_with(ERROR) || field.starts_with("__error")) => {
                let known = fields.iter().filter_map(|field| Some((field.as_str(), labels.get(stream, field)?)));
                Value::string_map(known)
            }
            _ => all(stream, labels),
        }
    }

    fn execute(&self, data: &Value) -> Result<Vec<u8>, String> {
        self.template.execute_bytes(self.name, data, &Limits::default()).map_err(|error| error.to_string())
    }
}

fn all(stream: &StreamLabels, labels: &LineLabels) -> Value {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    labels.each(stream, &mut |_, name, value| pairs.push((name, value)));
    Value::string_map(pairs)
}

/// The labels that a template reads; `None` where it may read any, or is no template.
pub(super) fn fields(text: &str) -> Option<Vec<String>> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(0)));
    LabelTemplate::new("line", text, &Arc::default(), &clock).ok()?.fields
}

/// A compiled `line_format`.
pub(super) struct LineFormatter {
    template: LabelTemplate,
    single: Option<String>,
    current: Arc<Current>,
}

impl LineFormatter {
    /// Compiles a template. The error is Loki's.
    pub(super) fn new(text: &str, clock: &Arc<dyn Clock>) -> Result<Self, String> {
        let current = Arc::new(Current::default());
        let template = LabelTemplate::new("line", text, &current, clock)
            .map_err(|error| format!("invalid line template: {error}"))?;
        let single = template.template.single_field("line").map(str::to_owned);
        Ok(LineFormatter { template, single, current })
    }

    /// The line that the template makes; `None` where it fails, and the line stays.
    pub(super) fn run(
        &self,
        timestamp: i64,
        line: &[u8],
        stream: &StreamLabels,
        labels: &mut LineLabels,
    ) -> Option<Vec<u8>> {
        if let Some(name) = &self.single {
            return Some(labels.get(stream, name).unwrap_or("").as_bytes().to_vec());
        }
        self.current.set(line, timestamp);
        match self.template.execute(&self.template.data(stream, labels)) {
            Ok(line) => Some(line),
            Err(error) => {
                labels.set_error(TEMPLATE_ERROR, Some(&error));
                None
            }
        }
    }
}

enum Format {
    Rename(String),
    Template(Box<LabelTemplate>),
}

/// A compiled `label_format`.
pub(super) struct LabelFormatter {
    formats: Vec<(String, Format)>,
    current: Arc<Current>,
}

impl LabelFormatter {
    /// Compiles the templates. The error is Loki's.
    pub(super) fn new(formats: &[LabelFormat], clock: &Arc<dyn Clock>) -> Result<Self, String> {
        let current = Arc::new(Current::default());
        let mut compiled: Vec<(String, Format)> = Vec::new();
        for LabelFormat { name, .. } in formats {
            if name == ERROR {
                return Err(format!("{name} cannot be formatted"));
            }
            if formats.iter().filter(|other| other.name == *name).count() > 1 {
                return Err(format!("multiple label name '{name}' not allowed in a single format operation"));
            }
        }
        for LabelFormat { name, value } in formats {
            let format = match value {
                LabelFormatValue::Rename(label) => Format::Rename(label.clone()),
                LabelFormatValue::Template(text) => {
                    let template = LabelTemplate::new("label", text, &current, clock)
                        .map_err(|error| format!("invalid template for label '{name}': {error}"))?;
                    Format::Template(Box::new(template))
                }
            };
            compiled.push((name.clone(), format));
        }
        Ok(LabelFormatter { formats: compiled, current })
    }

    /// Sets the labels.
    pub(super) fn run(&self, timestamp: i64, line: &[u8], stream: &StreamLabels, labels: &mut LineLabels) {
        self.current.set(line, timestamp);
        // All templates of a stage see the labels as the first of them finds them.
        let mut data: Option<Value> = None;
        let is_only = self.formats.len() == 1;
        for (name, format) in &self.formats {
            match format {
                Format::Rename(label) => {
                    let Some(value) = labels.get(stream, label).map(str::to_owned) else { continue };
                    labels.set(name, &value);
                    labels.delete(label);
                }
                Format::Template(template) => {
                    let data = data.get_or_insert_with(|| match is_only {
                        true => template.data(stream, labels),
                        false => all(stream, labels),
                    });
                    match template.execute(data) {
                        Ok(value) => labels.set(name, &gotemplate::text::lossy(&value)),
                        Err(error) => labels.set_error(TEMPLATE_ERROR, Some(&error)),
                    }
                }
            }
        }
    }
}
