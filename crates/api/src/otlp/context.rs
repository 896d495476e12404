//! What the points of one resource and one scope share, and the labels of a point.
//!
//! The order in which labels override each other is that of Prometheus' `createAttributes`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use model::{Labels, METRIC_NAME};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use thiserror::Error;

use super::names::{NameFault, Names};
use super::settings::Settings;
use super::values::{attribute, text};

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";
/// Attributes that become `job` and `instance`.
const IDENTIFYING: [&str; 3] = [SERVICE_NAMESPACE, SERVICE_NAME, SERVICE_INSTANCE];

/// Labels while they are put together, by name. Empty values are those of absent labels.
pub(super) type LabelMap<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// Why there are no labels.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum LabelFault {
    #[error(transparent)]
    Name(#[from] NameFault),
    #[error("attribute {0:?} occurs more than once")]
    Duplicate(String),
    #[error("there is no metric name")]
    NoMetricName,
    #[error("a label name is empty")]
    EmptyName,
}

/// What all points of a resource share.
#[derive(Debug, Default)]
pub(super) struct ResourceLabels<'a> {
    job: Cow<'a, str>,
    instance: Cow<'a, str>,
    promoted: LabelMap<'a>,
}

/// What all points of a scope share: labels to set, in this order. Empty where scopes are not promoted.
pub(super) type ScopeLabels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl<'a> ResourceLabels<'a> {
    pub(super) fn new(attributes: &'a [KeyValue], settings: &Settings<'_>) -> Result<Self, NameFault> {
        let mut job = attribute(attributes, SERVICE_NAME).unwrap_or_default();
        if let Some(namespace) = attribute(attributes, SERVICE_NAMESPACE)
            && attributes.iter().any(|kv| kv.key == SERVICE_NAME)
        {
            job = Cow::Owned(format!("{namespace}/{job}"));
        }
        let mut promoted = LabelMap::new();
        for kv in attributes.iter().filter(|kv| settings.promotes(&kv.key)) {
            promoted.insert(settings.names.label(&kv.key)?, text(kv.value.as_ref()));
        }
        promoted.retain(|_, value| !value.is_empty());
        Ok(ResourceLabels { job, instance: attribute(attributes, SERVICE_INSTANCE).unwrap_or_default(), promoted })
    }

    /// Appends what tells these labels from others.
    pub(super) fn identify(&self, out: &mut Vec<u8>) {
        identify_text(&self.job, out);
        identify_text(&self.instance, out);
        out.extend_from_slice(&(self.promoted.len() as u32).to_le_bytes());
        for (name, value) in &self.promoted {
            identify_text(name, out);
            identify_text(value, out);
        }
    }

    fn set_identity(&self, labels: &mut LabelMap<'a>) {
        for (name, value) in [("job", &self.job), ("instance", &self.instance)] {
            if !value.is_empty() {
                labels.insert(Cow::Borrowed(name), value.clone());
            }
        }
    }

    /// The labels of a point but for its metric name and what its type adds.
    pub(super) fn point_labels(
        &self,
        attributes: &'a [KeyValue],
        scope: &ScopeLabels<'a>,
        names: &Names,
        warnings: &mut Collisions,
    ) -> Result<LabelMap<'a>, LabelFault> {
        let mut labels = translated(attributes.iter().filter(|kv| kv.key != METRIC_NAME), names, warnings)?;
        for (name, value) in &self.promoted {
            let label = labels.entry(name.clone()).or_default();
            if label.is_empty() {
                *label = value.clone();
            }
        }
        self.set_identity(&mut labels);
        for (name, value) in scope {
            labels.insert(name.clone(), value.clone());
        }
        Ok(labels)
    }

    /// The labels of `target_info`, or `None` where it would say nothing.
    pub(super) fn target_labels(
        &self,
        attributes: &'a [KeyValue],
        settings: &Settings<'_>,
        warnings: &mut Collisions,
    ) -> Result<Option<Labels>, LabelFault> {
        let identifying = IDENTIFYING.iter().filter(|name| attributes.iter().any(|kv| kv.key == **name)).count();
        if identifying == attributes.len() {
            return Ok(None);
        }
        let is_kept = |kv: &&KeyValue| settings.keeps_identifying || !IDENTIFYING.contains(&kv.key.as_str());
        let mut labels = translated(attributes.iter().filter(is_kept), &settings.names, warnings)?;
        self.set_identity(&mut labels);
        let has_identity = ["job", "instance"].iter().any(|name| labels.get(*name).is_some_and(|v| !v.is_empty()));
        if !has_identity {
            return Ok(None);
        }
        freeze(&labels, &[(METRIC_NAME, super::TARGET_INFO)], &mut String::new()).map(Some)
    }
}

/// Labels that were joined because their names became one, counted once for each name and request.
#[derive(Debug, Default)]
pub(super) struct Collisions(pub(super) std::collections::BTreeSet<String>);

/// The labels of a scope.
pub(super) fn scope_labels<'a>(
    scope: Option<&'a InstrumentationScope>,
    schema_url: &'a str,
    settings: &Settings<'_>,
) -> Result<ScopeLabels<'a>, NameFault> {
    let Some(scope) = scope.filter(|scope| settings.promotes_scope && !scope.name.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut labels = Vec::with_capacity(scope.attributes.len() + 3);
    for kv in &scope.attributes {
        let name = format!("otel_scope_{}", kv.key);
        let name = settings.names.label(&name)?.into_owned();
        labels.push((Cow::Owned(name), text(kv.value.as_ref())));
    }
    // Of attributes with one name an empty one removes nothing.
    labels.retain(|(_, value)| !value.is_empty());
    labels.push((Cow::Borrowed("otel_scope_name"), Cow::Borrowed(&scope.name)));
    labels.push((Cow::Borrowed("otel_scope_version"), Cow::Borrowed(&scope.version)));
    labels.push((Cow::Borrowed("otel_scope_schema_url"), Cow::Borrowed(schema_url)));
    Ok(labels)
}

/// Attributes under their names as labels, values of names that became one joined.
fn translated<'a>(
    attributes: impl Iterator<Item = &'a KeyValue>,
    names: &Names,
    warnings: &mut Collisions,
) -> Result<LabelMap<'a>, LabelFault> {
    let mut sorted: Vec<&KeyValue> = attributes.collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut labels = LabelMap::new();
    for kv in sorted {
        let value = text(kv.value.as_ref());
        let name = if names.keeps_utf8 { Cow::Borrowed(kv.key.as_str()) } else { names.label(&kv.key)? };
        match labels.entry(name) {
            Entry::Vacant(place) => _ = place.insert(value),
            Entry::Occupied(_) if names.keeps_utf8 => return Err(LabelFault::Duplicate(kv.key.clone())),
            Entry::Occupied(mut known) => {
                if known.get().is_empty() {
                    known.insert(value);
                } else {
                    warnings.0.insert(known.key().to_string());
                    let joined = known.get_mut().to_mut();
                    joined.push(';');
                    joined.push_str(&value);
                }
            }
        }
    }
    Ok(labels)
}

/// Freezes labels with a few more, which override those of the same name.
pub(super) fn freeze(
    labels: &LabelMap<'_>,
    extra: &[(&str, &str)],
    scratch: &mut String,
) -> Result<Labels, LabelFault> {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(labels.len() + extra.len());
    let is_extra = |name: &str| extra.iter().any(|(overriding, _)| *overriding == name);
    pairs.extend(labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).filter(|(n, v)| !v.is_empty() && !is_extra(n)));
    pairs.extend(extra.iter().filter(|(_, value)| !value.is_empty()));
    pairs.sort_unstable();
    if pairs.first().is_some_and(|(name, _)| name.is_empty()) {
        return Err(LabelFault::EmptyName);
    }
    if !pairs.iter().any(|(name, _)| *name == METRIC_NAME) {
        return Err(LabelFault::NoMetricName);
    }
    Ok(Labels::from_sorted(pairs, scratch))
}

/// Appends a text so that no two lists of texts look alike.
pub(super) fn identify_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends what tells attributes from others, in the order in which they came.
pub(super) fn identify_attributes(attributes: &[KeyValue], out: &mut Vec<u8>) {
    out.extend_from_slice(&(attributes.len() as u32).to_le_bytes());
    for kv in attributes {
        identify_text(&kv.key, out);
        identify_value(kv.value.as_ref(), out);
    }
}

fn identify_value(value: Option<&AnyValue>, out: &mut Vec<u8>) {
    let Some(value) = value.and_then(|v| v.value.as_ref()) else { return out.push(0) };
    match value {
        Value::StringValue(text) => {
            out.push(1);
            identify_text(text, out);
        }
        Value::BoolValue(value) => out.extend_from_slice(&[2, u8::from(*value)]),
        Value::IntValue(value) => {
            out.push(3);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::DoubleValue(value) => {
            out.push(4);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Value::BytesValue(bytes) => {
            out.push(5);
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        Value::ArrayValue(array) => {
            out.push(6);
            out.extend_from_slice(&(array.values.len() as u32).to_le_bytes());
            array.values.iter().for_each(|value| identify_value(Some(value), out));
        }
        Value::KvlistValue(list) => {
            out.push(7);
            identify_attributes(&list.values, out);
        }
    }
}
