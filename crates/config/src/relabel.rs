//! One relabelling rule: plain data. The rules themselves are applied by whoever owns the labels.

use std::fmt;

use regex::Regex;
use serde::{Serialize, Serializer};

/// A pattern that must match the whole text and lets `.` match newlines: `^(?s:PATTERN)$`, as Prometheus compiles it.
#[derive(Clone)]
pub struct AnchoredRegex {
    source: String,
    regex: Regex,
}

impl AnchoredRegex {
    /// Compiles a pattern (RE2 syntax). The error is the compiler's last line, which says what is wrong.
    pub fn new(source: &str) -> Result<Self, String> {
        let regex = Regex::new(&format!("^(?s:{})$", model::pattern::from_go(source)))
            .map_err(|e| last_line(&e.to_string()))?;
        Ok(AnchoredRegex { source: source.to_owned(), regex })
    }

    /// The pattern as the user wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The compiled, anchored pattern.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// True where the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

impl PartialEq for AnchoredRegex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for AnchoredRegex {}

impl fmt::Debug for AnchoredRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

impl Serialize for AnchoredRegex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

/// What a relabelling rule does. Names are those of Prometheus, written in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RelabelAction {
    /// Writes `replacement` to `target_label` where `regex` matches the joined source labels.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops what differs from `target_label`.
    KeepEqual,
    /// Drops what equals `target_label`.
    DropEqual,
    /// Writes the hash of the source labels modulo `modulus`.
    HashMod,
    /// Copies labels whose name matches, under the name `replacement`.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Writes the source labels in lower case.
    Lowercase,
    /// Writes the source labels in upper case.
    Uppercase,
}

impl RelabelAction {
    /// All actions.
    pub const ALL: [RelabelAction; 11] = [
        RelabelAction::Replace,
        RelabelAction::Keep,
        RelabelAction::Drop,
        RelabelAction::KeepEqual,
        RelabelAction::DropEqual,
        RelabelAction::HashMod,
        RelabelAction::LabelMap,
        RelabelAction::LabelDrop,
        RelabelAction::LabelKeep,
        RelabelAction::Lowercase,
        RelabelAction::Uppercase,
    ];

    /// The name as written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            RelabelAction::Replace => "replace",
            RelabelAction::Keep => "keep",
            RelabelAction::Drop => "drop",
            RelabelAction::KeepEqual => "keepequal",
            RelabelAction::DropEqual => "dropequal",
            RelabelAction::HashMod => "hashmod",
            RelabelAction::LabelMap => "labelmap",
            RelabelAction::LabelDrop => "labeldrop",
            RelabelAction::LabelKeep => "labelkeep",
            RelabelAction::Lowercase => "lowercase",
            RelabelAction::Uppercase => "uppercase",
        }
    }
}

/// One rule of `relabel_configs`, `metric_relabel_configs`, `alert_relabel_configs` or `write_relabel_configs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelabelConfig {
    /// Labels whose values are joined; an absent label counts as empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_labels: Vec<String>,
    /// What joins them.
    pub separator: String,
    /// The pattern for the joined value, or for label names in `labelmap`, `labeldrop` and `labelkeep`.
    #[serde(skip_serializing_if = "is_default_regex")]
    pub regex: AnchoredRegex,
    /// Divisor of `hashmod`; 0 where not set.
    #[serde(skip_serializing_if = "crate::is_zero_u64")]
    pub modulus: u64,
    /// The label written to; may hold `$1` or `${name}` for `replace`. Empty where not set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target_label: String,
    /// The text written, in which `$1` and `${name}` stand for the pattern's groups.
    pub replacement: String,
    /// What is done.
    pub action: RelabelAction,
}

impl Default for RelabelConfig {
    fn default() -> Self {
        RelabelConfig {
            source_labels: Vec::new(),
            separator: ";".into(),
            regex: AnchoredRegex::new(DEFAULT_REGEX).expect("the default pattern is valid"),
            modulus: 0,
            target_label: String::new(),
            replacement: DEFAULT_REPLACEMENT.into(),
            action: RelabelAction::Replace,
        }
    }
}

pub(crate) const DEFAULT_REGEX: &str = "(.*)";
pub(crate) const DEFAULT_REPLACEMENT: &str = "$1";

fn is_default_regex(regex: &AnchoredRegex) -> bool {
    regex.source == DEFAULT_REGEX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let regex = AnchoredRegex::new("a|b.c").unwrap();
        assert!(regex.is_match("a") && regex.is_match("b\nc"));
        assert!(!regex.is_match("ab") && !regex.is_match("xb.c"));
        assert_eq!(regex.source(), "a|b.c");
        assert_eq!(AnchoredRegex::new("a(").unwrap_err(), "unclosed group");
    }

    #[test]
    fn every_action_serializes_under_its_name() {
        for action in RelabelAction::ALL {
            let yaml = serde_saphyr::to_string(&action).unwrap();
            assert_eq!(yaml.trim(), action.as_str());
        }
    }
}
