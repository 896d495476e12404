//! How much one tenant may send, and how old or new it may be.

use std::collections::BTreeMap;

use model::{Labels, RejectReason, Tenant};

/// The limits of one tenant; `None` is no limit beyond those of the store. A series that the head knows already is not
/// measured again: a limit that was lowered holds for new series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// Series that take samples at a time.
    pub series: Option<usize>,
    /// Labels of a series, the metric name included.
    pub label_names: Option<usize>,
    /// Bytes of a label name.
    pub label_name_bytes: Option<usize>,
    /// Bytes of a label value.
    pub label_value_bytes: Option<usize>,
    /// How far behind the clock a sample may be, in milliseconds.
    pub sample_age_ms: Option<i64>,
    /// How far ahead of the clock a sample may be, in milliseconds.
    pub sample_future_ms: Option<i64>,
}

/// The limits of all tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitTable {
    /// Of tenants without an entry of their own.
    pub default: TenantLimits,
    /// Of single tenants; an entry stands for itself and takes nothing from the default.
    pub overrides: BTreeMap<Tenant, TenantLimits>,
}

impl LimitTable {
    /// The limits of a tenant.
    pub fn of(&self, tenant: &Tenant) -> TenantLimits {
        self.overrides.get(tenant).copied().unwrap_or(self.default)
    }
}

impl TenantLimits {
    /// Measures the labels of a new series.
    pub(crate) fn check_labels(&self, labels: &Labels) -> Result<(), RejectReason> {
        let exceeds = |limit: Option<usize>, size: usize| limit.is_some_and(|limit| size > limit);
        if self.label_names.is_some_and(|limit| labels.iter().count() > limit) {
            return Err(RejectReason::TooManyLabels);
        }
        if self.label_name_bytes.is_none() && self.label_value_bytes.is_none() {
            return Ok(());
        }
        for label in labels.iter() {
            if exceeds(self.label_name_bytes, label.name.len()) {
                return Err(RejectReason::LabelNameTooLong);
            }
            if exceeds(self.label_value_bytes, label.value.len()) {
                return Err(RejectReason::LabelValueTooLong);
            }
        }
        Ok(())
    }
}
