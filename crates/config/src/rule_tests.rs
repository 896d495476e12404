//! Unit tests of rules in promtool's format: series that come in, and which alerts and samples must come of them.

use std::collections::BTreeMap;

use crate::rules::Placed;
use crate::scalar::Millis;

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTests {
    /// Rule files, relative to the test file; wildcards are allowed.
    pub rule_files: Vec<String>,
    /// How often groups are evaluated. Default 1 m.
    pub evaluation_interval: Millis,
    /// Names of groups in the order in which they are evaluated.
    pub group_eval_order: Vec<String>,
    /// Compare values up to the last bits.
    pub fuzzy_compare: bool,
    /// The tests.
    pub tests: Vec<RuleTestGroup>,
}

/// Tests over one set of series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTestGroup {
    /// Its name; may be empty.
    pub name: String,
    /// Time between the samples of the series.
    pub interval: Millis,
    /// When the series begin: RFC 3339 or Unix seconds; empty for 0.
    pub start_timestamp: Placed,
    /// What comes in.
    pub input_series: Vec<InputSeries>,
    /// Alerts expected.
    pub alert_rule_test: Vec<AlertCase>,
    /// Answers of queries expected.
    pub promql_expr_test: Vec<ExprCase>,
    /// Labels of this server, for templates.
    pub external_labels: BTreeMap<String, String>,
    /// URL of this server, for templates.
    pub external_url: String,
}

/// One series in promtool's notation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputSeries {
    /// The metric with its labels.
    pub series: Placed,
    /// Its values, `0+1x10 _ stale`.
    pub values: String,
}

/// Which alerts of a name fire at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertCase {
    /// Since the start.
    pub eval_time: Millis,
    /// Name of the alerting rule.
    pub alertname: String,
    /// All alerts that fire.
    pub exp_alerts: Vec<AlertExpected>,
}

/// One alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertExpected {
    /// Labels without `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Annotations, expanded.
    pub annotations: BTreeMap<String, String>,
}

/// What a query answers at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExprCase {
    /// The query.
    pub expr: String,
    /// Since the start.
    pub eval_time: Millis,
    /// All samples of the answer.
    pub exp_samples: Vec<SampleExpected>,
}

/// One sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleExpected {
    /// The metric with its labels.
    pub labels: String,
    /// The value as written; empty for 0.
    pub value: String,
    /// A native histogram in promtool's notation; empty where the sample is a float.
    pub histogram: String,
}

impl SampleExpected {
    /// The value as a number.
    pub fn number(&self) -> f64 {
        parse_value(&self.value).unwrap_or(0.0)
    }
}

/// A number as YAML writes it, `.inf` and `.nan` too.
pub(crate) fn parse_value(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    match unsigned.to_ascii_lowercase().as_str() {
        ".inf" if text.starts_with('-') => Some(f64::NEG_INFINITY),
        ".inf" => Some(f64::INFINITY),
        ".nan" => Some(f64::NAN),
        digits if digits.starts_with("0x") => i64::from_str_radix(&digits[2..], 16).ok().map(|v| v as f64),
        _ => model::float::parse_go(&text.replace('_', "")),
    }
}
