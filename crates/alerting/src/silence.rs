//! Silences: who they keep quiet, how they may be edited, when they are forgotten.

use std::collections::BTreeMap;

use config::{MatcherSyntax, SilenceLimits, matchers_text};
use model::{Labels, MatchOp, Matcher, Timestamp};
use serde::{Deserialize, Serialize};

use crate::recurrence::Recurrence;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// When it is in force again after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
    /// How long before its end someone is to be reminded, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<i64>,
    /// Someone was reminded of this end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reminded: bool,
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

    /// The window behind the present one, where it recurs.
    pub fn next_window(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.recurrence.as_ref()?.window(self.ends_at.max(now))
    }

    /// When someone is to be reminded of its end.
    fn remind_at(&self) -> Option<Timestamp> {
        let before = self.remind_ms.filter(|_| !self.reminded)?;
        Some(self.ends_at.plus_ms(-before).max(self.starts_at))
    }

    /// When something of it is to be done: a reminder, or its next window.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        let recurs = self.recurrence.is_some().then_some(self.ends_at);
        self.remind_at().into_iter().chain(recurs).min()
    }

    /// Whether someone is to be reminded now.
    pub(crate) fn wants_reminder(&self, now: Timestamp) -> bool {
        now < self.ends_at && self.remind_at().is_some_and(|at| at <= now)
    }

    /// Its conditions as text.
    pub fn text(&self) -> String {
        matchers_text(&self.compiled)
    }

    /// Checks a silence that is to be taken in; Alertmanager's rules and words.
    pub fn validate(&self, syntax: MatcherSyntax, limits: SilenceLimits) -> Result<(), String> {
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
        if self.remind_ms.is_some_and(|before| before <= 0) {
            return Err("invalid silence: a reminder must come before the end".to_owned());
        }
        if limits.require_comment && self.comment.trim().is_empty() {
            return Err("invalid silence: a comment must say why".to_owned());
        }
        let lasts = self.ends_at.ms().saturating_sub(self.starts_at.ms());
        if let Some(most) = limits.max_duration.filter(|most| lasts > most.ms()) {
            return Err(format!("invalid silence: it may last {most} at most"));
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
