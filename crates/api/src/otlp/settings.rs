//! The section `otlp` of the configuration in the form that translation needs.

use std::collections::HashSet;

use config::OtlpConfig;

use super::names::Names;

/// Interval of `target_info` samples where the engine has no look-back, in milliseconds.
const DEFAULT_LOOKBACK_MS: i64 = 300_000;

/// How requests are translated.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) names: Names,
    promote_all: bool,
    /// Attributes to promote, or those to leave out where all are promoted.
    listed: HashSet<&'a str>,
    pub(super) keeps_identifying: bool,
    pub(super) converts_to_nhcb: bool,
    pub(super) promotes_scope: bool,
    /// Milliseconds.
    pub(super) lookback_ms: i64,
    /// Tells settings apart: series are remembered under it.
    pub(super) fingerprint: u64,
}

impl<'a> Settings<'a> {
    pub(super) fn new(config: &'a OtlpConfig, lookback_ms: i64) -> Self {
        let promote_all = config.promote_all_resource_attributes;
        let listed = if promote_all { &config.ignore_resource_attributes } else { &config.promote_resource_attributes };
        Settings {
            names: Names::new(config),
            promote_all,
            listed: listed.iter().map(String::as_str).collect(),
            keeps_identifying: config.keep_identifying_resource_attributes,
            converts_to_nhcb: config.convert_histograms_to_nhcb,
            promotes_scope: config.promote_scope_metadata,
            lookback_ms: if lookback_ms > 0 { lookback_ms } else { DEFAULT_LOOKBACK_MS },
            fingerprint: xxhash_rust::xxh3::xxh3_64(format!("{config:?}").as_bytes()),
        }
    }

    /// Whether a resource attribute becomes a label.
    pub(super) fn promotes(&self, attribute: &str) -> bool {
        self.listed.contains(attribute) != self.promote_all
    }
}
