//! The section `limits`, which Prometheus does not have: what each tenant may send.

use std::collections::BTreeMap;

use model::Tenant;
use serde::{Serialize, Serializer};

use crate::scalar::Millis;

/// Limits of one tenant; 0 and `None` are no limit of its own: what the store takes at all still holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TenantLimits {
    /// Series that take samples at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_series: Option<u64>,
    /// Labels of a series, the metric name included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label_names_per_series: Option<u64>,
    /// Bytes of a label name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label_name_length: Option<u64>,
    /// Bytes of a label value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label_value_length: Option<u64>,
    /// How far behind the clock a sample may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sample_age: Option<Millis>,
    /// How far ahead of the clock a sample may be. Default 10 m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sample_future: Option<Millis>,
}

/// The section `limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LimitsConfig {
    /// Of all tenants that have no entry of their own.
    #[serde(flatten)]
    pub default: TenantLimits,
    /// Of single tenants, by name: what an entry does not say is as for all others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "by_name")]
    pub overrides: BTreeMap<Tenant, TenantLimits>,
}

fn by_name<S: Serializer>(overrides: &BTreeMap<Tenant, TenantLimits>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(overrides.iter().map(|(tenant, limits)| (tenant.as_str(), limits)))
}
