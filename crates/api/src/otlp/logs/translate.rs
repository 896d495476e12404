//! From resources, scopes and records to streams and entries.

use config::{LokiOtlp, LokiOtlpAction, LokiOtlpRule};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};

use crate::log_intake::admission::{Admission, SERVICE_NAME, Stream, UNKNOWN_SERVICE, metadata_name};
use crate::otlp::values;

/// Maps within maps that are flattened.
const MAX_DEPTH: usize = 32;

type Pairs = Vec<(String, String)>;

/// Admits all records of a request.
pub(super) fn admit(request: &ExportLogsServiceRequest, admission: &mut Admission<'_>) {
    let config = &admission.limits().otlp_config;
    for resource in &request.resource_logs {
        if resource.scope_logs.iter().all(|scope| scope.log_records.is_empty()) {
            continue;
        }
        let (mut labels, mut metadata) = (Pairs::new(), Pairs::new());
        for attribute in resource.resource.iter().flat_map(|resource| &resource.attributes) {
            match action(&config.resource_attributes, &attribute.key) {
                LokiOtlpAction::IndexLabel => flatten(attribute, &mut labels),
                LokiOtlpAction::StructuredMetadata => flatten(attribute, &mut metadata),
                LokiOtlpAction::Drop => {}
            }
        }
        name_service(&admission.limits().discover_service_name, &mut labels, &metadata);
        // The stream of records that add no labels of their own, once one is met.
        let mut common: Option<Option<Stream>> = None;
        for scope in &resource.scope_logs {
            let of_scope = scope_metadata(scope, config);
            for record in &scope.log_records {
                let entry = Entry::of(record, config, || admission.arrival());
                let line = values::text(record.body.as_ref());
                let pairs = entry.metadata.iter().chain(&metadata).chain(&of_scope);
                let pairs: Vec<(&str, &str)> = pairs.map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let mut own;
                let stream = if entry.labels.is_empty() {
                    common.get_or_insert_with(|| open(admission, &labels, &[])).as_mut()
                } else {
                    own = open(admission, &labels, &entry.labels);
                    own.as_mut()
                };
                match stream {
                    Some(stream) => admission.entry(stream, entry.time, line.as_bytes(), &pairs),
                    None => admission.lost(line.len()),
                }
            }
        }
    }
}

/// Gives the labels a service: what the first of `names` says, wherever the resource's attributes went, or that it is unknown.
fn name_service(names: &[String], labels: &mut Pairs, metadata: &[(String, String)]) {
    if names.is_empty() || labels.iter().any(|(name, value)| name == SERVICE_NAME && !value.is_empty()) {
        return;
    }
    let find =
        |wanted: &String| labels.iter().chain(metadata).find(|(name, value)| name == wanted && !value.is_empty());
    let service = names.iter().find_map(find).map_or(UNKNOWN_SERVICE, |(_, value)| value);
    labels.push((SERVICE_NAME.to_owned(), service.to_owned()));
}

/// A stream; labels of the record stand above those of the resource, and of two with one name the last counts.
fn open(admission: &mut Admission<'_>, resource: &[(String, String)], record: &[(String, String)]) -> Option<Stream> {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(resource.len() + record.len());
    for (name, value) in resource.iter().chain(record) {
        match pairs.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => pairs.push((name, value)),
        }
    }
    admission.stream_of(&pairs)
}

fn action(rules: &[LokiOtlpRule], attribute: &str) -> LokiOtlpAction {
    let rule = rules.iter().find(|rule| rule.is_about(attribute));
    rule.map_or(LokiOtlpAction::StructuredMetadata, |rule| rule.action)
}

fn scope_metadata(scope: &ScopeLogs, config: &LokiOtlp) -> Pairs {
    let mut metadata = Pairs::new();
    let Some(InstrumentationScope { name, version, attributes, dropped_attributes_count }) = &scope.scope else {
        return metadata;
    };
    for attribute in attributes {
        // A scope gives no labels.
        if action(&config.scope_attributes, &attribute.key) == LokiOtlpAction::StructuredMetadata {
            flatten(attribute, &mut metadata);
        }
    }
    let mut add = |key: &str, value: String| metadata.push((key.to_owned(), value));
    if !name.is_empty() {
        add("scope_name", name.clone());
    }
    if !version.is_empty() {
        add("scope_version", version.clone());
    }
    if *dropped_attributes_count != 0 {
        add("scope_dropped_attributes_count", dropped_attributes_count.to_string());
    }
    metadata
}

/// A record without its line.
struct Entry {
    /// In nanoseconds.
    time: i64,
    labels: Pairs,
    metadata: Pairs,
}

impl Entry {
    fn of(record: &LogRecord, config: &LokiOtlp, arrival: impl FnOnce() -> i64) -> Entry {
        let (mut labels, mut metadata) = (Pairs::new(), Pairs::new());
        for attribute in &record.attributes {
            match action(&config.log_attributes, &attribute.key) {
                LokiOtlpAction::IndexLabel => flatten(attribute, &mut labels),
                LokiOtlpAction::StructuredMetadata => flatten(attribute, &mut metadata),
                LokiOtlpAction::Drop => {}
            }
        }
        let mut add = |name: &str, value: String| metadata.push((name.to_owned(), value));
        if record.time_unix_nano != 0 && record.observed_time_unix_nano != 0 {
            add("observed_timestamp", record.observed_time_unix_nano.to_string());
        }
        if record.severity_number != 0 {
            add("severity_number", record.severity_number.to_string());
        }
        if !record.severity_text.is_empty() {
            add("severity_text", record.severity_text.clone());
            if config.severity_text_as_label {
                labels.push(("severity_text".to_owned(), record.severity_text.clone()));
            }
        }
        if record.dropped_attributes_count != 0 {
            add("dropped_attributes_count", record.dropped_attributes_count.to_string());
        }
        if record.flags != 0 {
            add("flags", record.flags.to_string());
        }
        if !record.event_name.is_empty() {
            add("event_name", record.event_name.clone());
        }
        for (name, id) in [("trace_id", &record.trace_id), ("span_id", &record.span_id)] {
            if id.iter().any(|byte| *byte != 0) {
                add(name, id.iter().map(|byte| format!("{byte:02x}")).collect());
            }
        }
        let time = match (record.time_unix_nano, record.observed_time_unix_nano) {
            (0, 0) => arrival(),
            (0, observed) => i64::try_from(observed).unwrap_or(i64::MAX),
            (time, _) => i64::try_from(time).unwrap_or(i64::MAX),
        };
        Entry { time, labels, metadata }
    }
}

/// An attribute under its name as a label; of a map each value, names joined by `_`.
fn flatten(attribute: &KeyValue, out: &mut Pairs) {
    flatten_value(&metadata_name(&attribute.key), attribute.value.as_ref(), 0, out);
}

fn flatten_value(name: &str, value: Option<&AnyValue>, depth: usize, out: &mut Pairs) {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::KvlistValue(list)) if depth < MAX_DEPTH => {
            for inner in &list.values {
                let name = format!("{name}_{}", inner.key);
                flatten_value(&metadata_name(&name), inner.value.as_ref(), depth + 1, out);
            }
        }
        _ => out.push((name.to_owned(), values::text(value).into_owned())),
    }
}
