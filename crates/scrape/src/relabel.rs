//! Relabelling: rules that rewrite or drop label sets. Applied to targets, samples and, by others, to alerts and remote write.

use config::{NameValidation, RelabelAction, RelabelConfig};
use md5::{Digest, Md5};
use model::{Labels, LabelsBuilder};

use crate::snapshot::RelabelStep;

/// Applies the rules in order. False where a rule drops the labels, which are then of no use.
pub fn relabel(labels: &mut LabelsBuilder, rules: &[RelabelConfig], names: NameValidation) -> bool {
    rules.iter().all(|rule| apply(labels, rule, names))
}

/// The labels after each rule, for the question why a target has the labels it has.
pub fn trace(labels: &Labels, rules: &[RelabelConfig], names: NameValidation) -> Vec<RelabelStep> {
    let mut builder = labels.to_builder();
    let mut keep = true;
    let step = |rule: &RelabelConfig| {
        keep = keep && apply(&mut builder, rule, names);
        let output = if keep { builder.clone().build() } else { Labels::empty() };
        RelabelStep { rule: rule.clone(), output, keep }
    };
    rules.iter().map(step).collect()
}

fn apply(labels: &mut LabelsBuilder, rule: &RelabelConfig, names: NameValidation) -> bool {
    let source = joined_sources(labels, rule);
    match rule.action {
        RelabelAction::Keep => return rule.regex.is_match(&source),
        RelabelAction::Drop => return !rule.regex.is_match(&source),
        RelabelAction::KeepEqual => return labels.get(&rule.target_label) == source,
        RelabelAction::DropEqual => return labels.get(&rule.target_label) != source,
        RelabelAction::Replace => replace(labels, rule, &source, names),
        RelabelAction::Lowercase => {
            labels.set(&rule.target_label, &source.to_lowercase());
        }
        RelabelAction::Uppercase => {
            labels.set(&rule.target_label, &source.to_uppercase());
        }
        RelabelAction::HashMod => {
            labels.set(&rule.target_label, &hash_modulo(&source, rule.modulus).to_string());
        }
        RelabelAction::LabelMap => map_names(labels, rule),
        RelabelAction::LabelDrop => {
            labels.retain(|name, _| !rule.regex.is_match(name));
        }
        RelabelAction::LabelKeep => {
            labels.retain(|name, _| rule.regex.is_match(name));
        }
    }
    true
}

fn joined_sources(labels: &LabelsBuilder, rule: &RelabelConfig) -> String {
    let mut joined = String::new();
    for (i, name) in rule.source_labels.iter().enumerate() {
        if i > 0 {
            joined.push_str(&rule.separator);
        }
        joined.push_str(labels.get(name));
    }
    joined
}

fn replace(labels: &mut LabelsBuilder, rule: &RelabelConfig, source: &str, names: NameValidation) {
    let Some(groups) = rule.regex.regex().captures(source) else { return };
    let mut target = String::new();
    groups.expand(&rule.target_label, &mut target);
    if !names.is_valid_label_name(&target) {
        return;
    }
    let mut value = String::new();
    groups.expand(&rule.replacement, &mut value);
    labels.set(&target, &value);
}

fn map_names(labels: &mut LabelsBuilder, rule: &RelabelConfig) {
    let mut mapped: Vec<(String, String)> = Vec::new();
    for (name, value) in labels.iter() {
        if let Some(groups) = rule.regex.regex().captures(name) {
            let mut target = String::new();
            groups.expand(&rule.replacement, &mut target);
            mapped.push((target, value.to_owned()));
        }
    }
    mapped.sort();
    for (name, value) in mapped.iter().filter(|(name, _)| !name.is_empty()) {
        labels.set(name, value);
    }
}

/// The last eight bytes of the MD5 sum modulo `modulus`, so that shards stay what they were under Prometheus.
fn hash_modulo(text: &str, modulus: u64) -> u64 {
    let sum = Md5::digest(text.as_bytes());
    let last: [u8; 8] = sum[8..].try_into().expect("an MD5 sum has 16 bytes");
    u64::from_be_bytes(last) % modulus.max(1)
}
