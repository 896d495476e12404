//! The section `retention`, which Prometheus does not have: how long series are kept and how they are thinned, by selector.

use model::Matcher;
use serde::Serialize;

use crate::scalar::Millis;
use crate::selector::parse_selector;

/// One entry of `retention`. Of several entries that match a series the first one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionRule {
    /// Which series, as an instant selector: `{job="x"}`, `up{job=~"a|b"}`.
    #[serde(rename = "match")]
    pub selector: String,
    /// How long their samples are kept; `None` takes the time of `storage.tsdb.retention`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Millis>,
    /// How they are thinned as they age: `after` and `to` grow from step to step, and each `to` is a multiple of the one before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub downsample: Vec<DownsampleStep>,
}

/// One step of thinning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DownsampleStep {
    /// The age from which on samples are thinned.
    pub after: Millis,
    /// The bucket of which the first and last sample stay.
    pub to: Millis,
}

impl RetentionRule {
    /// The matchers of the selector.
    pub fn matchers(&self) -> Vec<Matcher> {
        // A rule is only made of a selector that was read once already.
        parse_selector(&self.selector).unwrap_or_default()
    }
}
