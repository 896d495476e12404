//! Reading rule files. The checks are those of Prometheus' `rulefmt` that need no language.

use std::collections::BTreeMap;
use std::path::Path;

use model::METRIC_NAME;

use crate::decode::Fields;
use crate::error::ConfigErrors;
use crate::rules::{Placed, RuleConfig, RuleFile, RuleGroupConfig, RuleKind};
use crate::scalar::Millis;
use crate::scrape::NameValidation;
use crate::yaml::Node;

use super::{Loaded, literal_file};

const GROUP_KEYS: &[&str] = &["name", "interval", "query_offset", "limit", "labels", "rules"];
const RULE_KEYS: &[&str] = &["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

/// Reads the text of a rule file; `path` names it in errors. Expressions and templates are not looked into.
pub fn load_rules(text: &str, path: &Path, names: NameValidation) -> Result<Loaded<RuleFile>, ConfigErrors> {
    literal_file(path, text, |context, node| {
        let f = Fields::open(context, node, "", &[&["groups"]]);
        let groups = f.sections("groups", |context, node, path| {
            Some((node.at, path.clone(), group(&Fields::open(context, node, path, &[GROUP_KEYS]), names)))
        });
        let mut seen = BTreeMap::new();
        for (at, path, group) in &groups {
            if let Some(line) = seen.insert(group.name.clone(), at.line)
                && !group.name.is_empty()
            {
                let message = format!("groupname: {:?} is repeated in the same file, first in line {line}", group.name);
                context.problem(*at, &format!("{path}.name"), message);
            }
        }
        RuleFile { path: path.to_owned(), groups: groups.into_iter().map(|(_, _, group)| group).collect() }
    })
}

fn group(f: &Fields<'_, '_>, names: NameValidation) -> RuleGroupConfig {
    let name = f.text_or_empty("name");
    if name.is_empty() && f.is_mapping() {
        f.problem("name", "Groupname must not be empty");
    }
    RuleGroupConfig {
        name,
        interval: f.duration("interval").filter(|interval| !interval.is_zero()),
        query_offset: f.duration("query_offset"),
        limit: f.signed("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0),
        labels: labels(f, "labels", names),
        rules: f.sections("rules", |context, node, path| {
            Some(rule(&Fields::open(context, node, path, &[RULE_KEYS]), names))
        }),
    }
}

fn rule(f: &Fields<'_, '_>, names: NameValidation) -> RuleConfig {
    let given = |key: &str| placed(f, key).filter(|placed| !placed.text.is_empty());
    let (record, alert) = (given("record"), given("alert"));
    let kind = if record.is_some() { RuleKind::Recording } else { RuleKind::Alerting };
    match (&record, &alert) {
        (Some(_), Some(_)) => f.problem("alert", "only one of 'record' and 'alert' must be set"),
        (None, None) if f.is_mapping() => f.problem("", "one of 'record' or 'alert' must be set"),
        _ => {}
    }
    let expr = given("expr").unwrap_or_default();
    if expr.text.is_empty() && f.is_mapping() {
        f.problem("expr", "field 'expr' must be set in rule");
    }
    let hold = f.duration("for").unwrap_or_default();
    let keep_firing_for = f.duration("keep_firing_for").unwrap_or_default();
    if let Some(record) = &record {
        for (key, zero) in [("for", hold.is_zero()), ("keep_firing_for", keep_firing_for.is_zero())] {
            if !zero {
                f.problem(key, format!("invalid field '{key}' in recording rule"));
            }
        }
        if f.get("annotations").is_some() {
            f.problem("annotations", "invalid field 'annotations' in recording rule");
        }
        check_metric_name(f, &record.text, names);
    }
    RuleConfig {
        kind,
        name: record.or(alert).unwrap_or_default(),
        key: f.path.clone(),
        expr,
        hold: hold.max(Millis(0)),
        keep_firing_for,
        labels: labels(f, "labels", names),
        annotations: annotations(f, names),
    }
}

fn check_metric_name(f: &Fields<'_, '_>, name: &str, names: NameValidation) {
    if name.contains(['{', '}']) {
        f.problem("record", format!("braces present in the recording rule name; should it be in expr?: {name}"));
    } else if names == NameValidation::Legacy && !model::is_valid_legacy_metric_name(name) {
        f.problem("record", format!("invalid recording rule name: {name}; expected letters, digits, _ and :"));
    }
}

fn placed(f: &Fields<'_, '_>, key: &str) -> Option<Placed> {
    Some(Placed { text: f.text(key)?, at: f.place(key) })
}

fn labels(f: &Fields<'_, '_>, key: &str, names: NameValidation) -> BTreeMap<String, Placed> {
    texts(f, key, |name| {
        let valid = names.is_valid_label_name(name) && name != METRIC_NAME;
        (!valid).then(|| format!("invalid label name: {name}"))
    })
}

fn annotations(f: &Fields<'_, '_>, names: NameValidation) -> BTreeMap<String, Placed> {
    texts(f, "annotations", |name| {
        (!names.is_valid_label_name(name)).then(|| format!("invalid annotation name: {name}"))
    })
}

fn texts(f: &Fields<'_, '_>, key: &str, wrong: impl Fn(&str) -> Option<String>) -> BTreeMap<String, Placed> {
    let Some(node) = f.get(key) else { return BTreeMap::new() };
    let mut out = BTreeMap::new();
    for (path, entry) in f.context.map(node, &f.key(key)) {
        if let Some(message) = wrong(&entry.key) {
            f.context.problem(entry.key_at, &path, message);
        }
        if let Some(text) = value(f, &entry.value, &path) {
            out.insert(entry.key.clone(), text);
        }
    }
    out
}

fn value(f: &Fields<'_, '_>, node: &Node, path: &str) -> Option<Placed> {
    Some(Placed { text: f.context.text(node, path)?, at: node.at })
}
