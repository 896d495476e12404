//! Rule files: groups of recording and alerting rules, as Prometheus' documentation describes them.
//!
//! Nothing in them is expanded: `${NAME}` may stand in a template. Expressions and templates are kept as text with their
//! place; those who know the languages check them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::scalar::Millis;
use crate::yaml::Position;

/// A text and where it stands.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    /// The text.
    pub text: String,
    /// Where its value begins in the file.
    pub at: Position,
}

/// Texts are the same wherever they stand.
impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Placed {}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its groups, in order.
    pub groups: Vec<RuleGroupConfig>,
}

/// Rules that are evaluated one after the other, at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleGroupConfig {
    /// Unique within the file.
    pub name: String,
    /// How often it is evaluated; `None` for the global evaluation interval.
    pub interval: Option<Millis>,
    /// How far in the past it is evaluated; `None` for the global offset.
    pub query_offset: Option<Millis>,
    /// Most series or alerts that a rule may produce; 0 for no limit.
    pub limit: usize,
    /// Labels for every rule of the group; the rule's own win.
    pub labels: BTreeMap<String, Placed>,
    /// The rules, in order.
    pub rules: Vec<RuleConfig>,
}

/// What a rule makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleKind {
    /// Series.
    #[default]
    Recording,
    /// Alerts.
    Alerting,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleConfig {
    /// Recording or alerting.
    pub kind: RuleKind,
    /// The metric's or the alert's name.
    pub name: Placed,
    /// The path of the rule's key, `groups[0].rules[1]`.
    pub key: String,
    /// What is evaluated.
    pub expr: Placed,
    /// How long an alert is pending before it fires.
    pub hold: Millis,
    /// How long an alert goes on firing after its condition is gone.
    pub keep_firing_for: Millis,
    /// Labels; templates in an alerting rule.
    pub labels: BTreeMap<String, Placed>,
    /// Annotations, which are templates.
    pub annotations: BTreeMap<String, Placed>,
}

impl RuleGroupConfig {
    /// The labels of a rule: the group's, then its own.
    pub fn labels_of<'a>(&'a self, rule: &'a RuleConfig) -> BTreeMap<&'a str, &'a Placed> {
        self.labels.iter().chain(&rule.labels).map(|(name, value)| (name.as_str(), value)).collect()
    }
}
