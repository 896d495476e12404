//! Reports of alerts as they come in, made whole and checked (`api/v2`, `postAlertsHandler`).

use std::collections::BTreeMap;

use config::MatcherSyntax;
use model::{Labels, Timestamp};

use crate::alert::Alert;

/// What a sender says of an alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What identifies it; empty values count as absent.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub annotations: BTreeMap<String, String>,
    /// Since when it fires.
    pub starts_at: Option<Timestamp>,
    /// When it ended or will have.
    pub ends_at: Option<Timestamp>,
    /// Where it comes from.
    pub generator_url: String,
}

impl Report {
    /// The alert, with the times that are missing. The words of errors are Alertmanager's.
    pub fn into_alert(self, now: Timestamp, resolve_timeout_ms: i64, syntax: MatcherSyntax) -> Result<Alert, String> {
        let starts_at = self.starts_at.or(self.ends_at).unwrap_or(now);
        let timeout = self.ends_at.is_none();
        let ends_at = self.ends_at.unwrap_or(now.plus_ms(resolve_timeout_ms));
        if ends_at < starts_at {
            return Err("start time must be before end time".to_owned());
        }
        let is_valid = |name: &str| match syntax {
            MatcherSyntax::Classic => model::is_valid_legacy_label_name(name),
            _ => !name.is_empty(),
        };
        if let Some(name) = self.labels.keys().find(|name| !is_valid(name)) {
            return Err(format!("invalid label set: invalid name {name:?}"));
        }
        if let Some(name) = self.annotations.keys().find(|name| !is_valid(name)) {
            return Err(format!("invalid annotations: invalid name {name:?}"));
        }
        let labels = Labels::from_pairs(&self.labels);
        if labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        Ok(Alert {
            labels,
            annotations: Labels::from_pairs(&self.annotations),
            starts_at,
            ends_at,
            updated_at: now,
            generator_url: self.generator_url,
            timeout,
        })
    }
}
