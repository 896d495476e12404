//! Label matchers: `=`, `!=`, `=~`, `!~`, with Prometheus' anchored regular expressions.

use std::fmt;

use regex::Regex;
use thiserror::Error;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

/// Why a matcher cannot be made.
#[derive(Debug, Error)]
pub enum MatcherError {
    /// The pattern is not a regular expression (RE2 syntax).
    #[error("invalid regular expression {pattern:?}: {reason}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// One condition on one label. An absent label counts as the empty value.
#[derive(Clone)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// Comparison.
    pub op: MatchOp,
    /// Value or pattern as written.
    pub value: String,
    regex: Option<Regex>,
    alternatives: Option<Vec<String>>,
}

impl Matcher {
    /// Makes a matcher; compiles the pattern of `=~` and `!~`, which is anchored at both ends and lets `.` match newlines.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let mut alternatives = None;
        let mut regex = None;
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
            alternatives = literal_alternatives(&value);
            let compiled = Regex::new(&format!("^(?s:{})$", crate::pattern::from_go(&value)))
                .map_err(|e| MatcherError::Pattern { pattern: value.clone(), reason: last_line(&e.to_string()) })?;
            regex = Some(compiled);
        }
        Ok(Matcher { name, op, value, regex, alternatives })
    }

    /// `name="value"`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None, alternatives: None }
    }

    /// True where the label's value (empty if absent) satisfies the matcher.
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => self.pattern_matches(value),
            MatchOp::NotRegex => !self.pattern_matches(value),
        }
    }

    /// True where a series without the label satisfies the matcher.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The values that a pattern of the form `a|b|c` allows: a store looks these up instead of scanning.
    pub fn alternatives(&self) -> Option<&[String]> {
        self.alternatives.as_deref()
    }

    fn pattern_matches(&self, value: &str) -> bool {
        match &self.alternatives {
            Some(literals) if literals.len() <= 16 => literals.iter().any(|l| l == value),
            Some(literals) => literals.binary_search_by(|l| l.as_str().cmp(value)).is_ok(),
            None => self.regex.as_ref().expect("a regex matcher is built with its pattern").is_match(value),
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if crate::is_valid_legacy_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            f.write_str(&crate::labels::quote(&self.name))?;
        }
        write!(f, "{}{}", self.op.as_str(), crate::labels::quote(&self.value))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Sorted literals of a pattern without any special character but `|`.
fn literal_alternatives(pattern: &str) -> Option<Vec<String>> {
    let special = |c: char| matches!(c, '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$');
    if pattern.contains(special) {
        return None;
    }
    let mut literals: Vec<String> = pattern.split('|').map(str::to_owned).collect();
    literals.sort_unstable();
    literals.dedup();
    Some(literals)
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Matcher {
        Matcher::new("a", MatchOp::Regex, pattern).unwrap()
    }

    #[test]
    fn patterns_are_anchored() {
        assert!(regex("a.c").matches("abc"));
        assert!(!regex("a.c").matches("xabc"));
        assert!(regex("a|bc").matches("bc"));
        assert!(!regex("a|bc").matches("abc"));
        assert!(regex(".*").matches("a\nb"));
        assert!(regex("a||b").matches_empty());
    }

    #[test]
    fn literals_are_found() {
        assert_eq!(regex("b|a|b").alternatives().unwrap(), ["a", "b"]);
        assert_eq!(regex("").alternatives().unwrap(), [""]);
        assert!(regex("a.*").alternatives().is_none());
    }

    #[test]
    fn a_bad_pattern_says_why() {
        let message = Matcher::new("a", MatchOp::Regex, "(").unwrap_err().to_string();
        assert!(message.contains("unclosed group"), "{message}");
    }
}
