//! Silences: who they keep quiet, how they may be edited, when they are forgotten.

use std::collections::BTreeMap;

use config::{MatcherSyntax, matchers_text};
use model::{Labels, MatchOp, Matcher, Timestamp};
use serde::{Deserialize, Serialize};

/// A condition as the API writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// Label.
    pub name: String,
    /// Value or pattern.
    pub value: String,
    /// Whether the value is a pattern.
    pub is_regex: bool,
    /// False for `!=` and `!~`.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

impl SilenceMatcher {
    /// Compiled.
    pub fn compile(&self) -> Result<Matcher, String> {
        let op = match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Matcher::new(&self.name, op, &self.value).map_err(|error| error.to_string())
    }
}

impl From<&Matcher> for SilenceMatcher {
    fn from(matcher: &Matcher) -> Self {
        SilenceMatcher {
            name: matcher.name.clone(),
            value: matcher.value.clone(),
            is_regex: matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(matcher.op, MatchOp::Equal | MatchOp::Regex),
        }
    }
}

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceState {
    /// Not begun.
    Pending,
    /// In force.
    Active,
    /// Over.
    Expired,
}

impl SilenceState {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            SilenceState::Pending => "pending",
            SilenceState::Active => "active",
            SilenceState::Expired => "expired",
        }
    }
}

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// A UUID; empty for one that is new.
    pub id: String,
    /// Conditions, all of which must hold.
    pub matchers: Vec<SilenceMatcher>,
    /// First millisecond.
    pub starts_at: Timestamp,
    /// The millisecond behind the last.
    pub ends_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Whatever tools keep with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Compiled conditions; see [`Silence::compile`].
    #[serde(skip)]
    pub compiled: Vec<Matcher>,
}

impl Silence {
    /// Compiles the conditions; a silence that was not compiled silences nothing.
    pub fn compile(&mut self) -> Result<(), String> {
        self.compiled = self.matchers.iter().map(SilenceMatcher::compile).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Where it stands at a time.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if self.ends_at <= now {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    /// True where its conditions hold.
    pub fn matches(&self, labels: &Labels) -> bool {
        !self.compiled.is_empty() && self.compiled.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")))
    }

    /// Its conditions as text.
    pub fn text(&self) -> String {
        matchers_text(&self.compiled)
    }

    /// Checks a silence that is to be taken in; Alertmanager's rules and words.
    pub fn validate(&self, syntax: MatcherSyntax) -> Result<(), String> {
        if self.matchers.is_empty() {
            return Err("invalid silence: at least one matcher required".to_owned());
        }
        let mut all_match_empty = true;
        for (index, matcher) in self.matchers.iter().enumerate() {
            let valid_name = match syntax {
                MatcherSyntax::Classic => model::is_valid_legacy_label_name(&matcher.name),
                _ => !matcher.name.is_empty(),
            };
            if !valid_name {
                return Err(format!(
                    "invalid silence: invalid label matcher {index}: invalid label name {:?}",
                    matcher.name
                ));
            }
            let compiled =
                matcher.compile().map_err(|e| format!("invalid silence: invalid label matcher {index}: {e}"))?;
            all_match_empty &= compiled.matches_empty();
        }
        if all_match_empty {
            return Err("invalid silence: at least one matcher must not match the empty string".to_owned());
        }
        if self.ends_at < self.starts_at {
            return Err("invalid silence: end time must not be before start time".to_owned());
        }
        Ok(())
    }

    /// Whether `new` may replace this one under its id (Alertmanager's `canUpdate`): the same conditions, and no change to what
    /// has happened.
    pub fn can_become(&self, new: &Silence, now: Timestamp) -> bool {
        if self.matchers != new.matchers {
            return false;
        }
        match self.state(now) {
            SilenceState::Active => self.starts_at.ms() / 1000 == new.starts_at.ms() / 1000 && new.ends_at >= now,
            SilenceState::Pending => new.starts_at >= now,
            SilenceState::Expired => false,
        }
    }
}
