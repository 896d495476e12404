//! What others may see of groups: copies, made after each evaluation.

use model::{Labels, Timestamp};

use crate::alert::{Alert, AlertState};

/// How the last evaluation of a rule went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It was not evaluated yet.
    #[default]
    Unknown,
    /// It succeeded.
    Good,
    /// It failed, or its result could not be written.
    Bad,
}

impl Health {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Good => "ok",
            Health::Bad => "err",
        }
    }
}

/// A group after an evaluation.
#[derive(Clone, Debug, Default)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// The file it comes from.
    pub file: String,
    /// How often it is evaluated, in milliseconds.
    pub interval_ms: i64,
    /// Most series or alerts of a rule; 0 for no limit.
    pub limit: usize,
    /// Seconds that the last evaluation took.
    pub evaluation_seconds: f64,
    /// When the last evaluation began.
    pub last_evaluation: Option<Timestamp>,
    /// Its rules, in order.
    pub rules: Vec<RuleView>,
}

/// A rule after an evaluation.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// Metric or alert.
    pub name: String,
    /// Its expression, printed.
    pub query: String,
    /// Its labels with those of the group, templates as they are written.
    pub labels: Labels,
    /// How it went.
    pub health: Health,
    /// Why it failed.
    pub last_error: String,
    /// Seconds that its last evaluation took.
    pub evaluation_seconds: f64,
    /// When its last evaluation began.
    pub last_evaluation: Option<Timestamp>,
    /// What only alerting rules have.
    pub alerting: Option<AlertingView>,
}

/// The alerting part of a rule.
#[derive(Clone, Debug)]
pub struct AlertingView {
    /// `for` in milliseconds.
    pub hold_ms: i64,
    /// `keep_firing_for` in milliseconds.
    pub keep_firing_for_ms: i64,
    /// Annotations as they are written.
    pub annotations: Labels,
    /// The most urgent state of its alerts.
    pub state: AlertState,
    /// Alerts that are pending or fire, by labels.
    pub alerts: Vec<Alert>,
}
