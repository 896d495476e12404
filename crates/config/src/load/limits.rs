//! Decoding of the section `limits`.

use std::collections::BTreeMap;

use model::Tenant;

use crate::decode::Fields;
use crate::limits::{LimitsConfig, TenantLimits};
use crate::scalar::Millis;

const KEYS: &[&str] = &[
    "max_series",
    "max_label_names_per_series",
    "max_label_name_length",
    "max_label_value_length",
    "max_sample_age",
    "max_sample_future",
];

pub(super) fn limits(outer: &Fields<'_, '_>) -> LimitsConfig {
    let Some(node) = outer.get("limits") else { return LimitsConfig::default() };
    let f = Fields::open(outer.context, node, "limits", &[KEYS, &["overrides"]]);
    let default = tenant(&f, &TenantLimits::default());
    let mut overrides = BTreeMap::new();
    if let Some(node) = f.get("overrides") {
        for (path, entry) in f.context.map(node, &f.key("overrides")) {
            match Tenant::new(&entry.key) {
                Ok(name) => {
                    let own = Fields::open(f.context, &entry.value, path, &[KEYS]);
                    overrides.insert(name, tenant(&own, &default));
                }
                Err(reason) => f.context.problem(entry.key_at, &path, reason.to_string()),
            }
        }
    }
    LimitsConfig { default, overrides }
}

/// One set of limits; what it does not say is taken from another, and 0 takes a limit away.
fn tenant(f: &Fields<'_, '_>, others: &TenantLimits) -> TenantLimits {
    let count = |key: &str, other: Option<u64>| f.unsigned(key).or(other);
    let time = |key: &str, other: Option<Millis>| f.duration(key).or(other);
    let name_length = count("max_label_name_length", others.max_label_name_length);
    let is_own = f.has("max_label_name_length");
    if is_own && name_length.is_some_and(|length| length > 0 && length < model::METRIC_NAME.len() as u64) {
        f.problem("max_label_name_length", "must be at least 8, the length of __name__");
    }
    TenantLimits {
        max_series: count("max_series", others.max_series),
        max_label_names_per_series: count("max_label_names_per_series", others.max_label_names_per_series),
        max_label_name_length: name_length,
        max_label_value_length: count("max_label_value_length", others.max_label_value_length),
        max_sample_age: time("max_sample_age", others.max_sample_age),
        max_sample_future: time("max_sample_future", others.max_sample_future),
    }
}
