//! Label sets as senders write them, checked and frozen.
//!
//! The specification wants names sorted; Prometheus' receiver sorts them itself, senders rely on it, and so does this one.
//! Labels with empty values count as absent, as in Prometheus' head.

use model::{Labels, METRIC_NAME};
use thiserror::Error;

/// A name and a value, not checked yet.
pub(super) type RawLabel<'a> = (&'a [u8], &'a [u8]);

/// Why a label set is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum LabelFault {
    #[error("labels_refs has {0} entries, which do not make pairs")]
    OddReferences(usize),
    #[error("labels_refs {name} (name) = {value} (value) outside of symbols table (size {size})")]
    Reference { name: u64, value: u64, size: usize },
    #[error("a label name or value is not valid UTF-8")]
    NotUtf8,
    #[error("a label name is empty")]
    EmptyName,
    #[error("label name {0:?} occurs more than once")]
    Duplicate(String),
    #[error("there is no metric name")]
    NoMetricName,
}

/// Memory that building labels uses again and again.
#[derive(Debug, Default)]
pub(super) struct LabelScratch<'a> {
    pub(super) raw: Vec<RawLabel<'a>>,
    text: String,
}

impl LabelScratch<'_> {
    /// Freezes the labels in `raw`, in any order. Those of a series need a metric name, those of an exemplar none.
    pub(super) fn build(&mut self, needs_name: bool) -> Result<Labels, LabelFault> {
        if !self.raw.is_sorted_by(|a, b| a.0 <= b.0) {
            self.raw.sort_by_key(|label| label.0);
        }
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        if !self.raw.iter().all(|(name, value)| is_text(name) && is_text(value)) {
            return Err(LabelFault::NotUtf8);
        }
        if self.raw.first().is_some_and(|(name, _)| name.is_empty()) {
            return Err(LabelFault::EmptyName);
        }
        if let Some(pair) = self.raw.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(LabelFault::Duplicate(lossy(pair[0].0)));
        }
        if needs_name && !self.raw.iter().any(|(name, value)| *name == METRIC_NAME.as_bytes() && !value.is_empty()) {
            return Err(LabelFault::NoMetricName);
        }
        let text = |bytes| std::str::from_utf8(bytes).expect("checked above");
        let present = self.raw.iter().filter(|(_, value)| !value.is_empty());
        Ok(Labels::from_sorted(present.map(|(name, value)| (text(name), text(value))), &mut self.text))
    }

    /// The labels as far as they can be read, for messages.
    pub(super) fn describe(&self) -> String {
        Labels::from_pairs(self.raw.iter().map(|(name, value)| (lossy(name), lossy(value)))).to_string()
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(pairs: &[(&str, &str)], needs_name: bool) -> Result<Labels, LabelFault> {
        let raw = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        LabelScratch { raw, text: String::new() }.build(needs_name)
    }

    #[test]
    fn good_sets() {
        let expected = Labels::from_pairs([("__name__", "up"), ("a", "1"), ("b.c", "\u{e9}")]);
        let sorted = [("__name__", "up"), ("a", "1"), ("b.c", "\u{e9}"), ("empty", "")];
        assert_eq!(build(&sorted, true), Ok(expected.clone()));
        let shuffled = [("b.c", "\u{e9}"), ("empty", ""), ("a", "1"), ("__name__", "up")];
        assert_eq!(build(&shuffled, true), Ok(expected));
        assert_eq!(build(&[], false), Ok(Labels::empty()));
    }

    #[test]
    fn bad_sets() {
        let cases: [(&[(&str, &str)], LabelFault); 5] = [
            (&[], LabelFault::NoMetricName),
            (&[("job", "a")], LabelFault::NoMetricName),
            (&[("__name__", ""), ("job", "a")], LabelFault::NoMetricName),
            (&[("__name__", "up"), ("", "a")], LabelFault::EmptyName),
            (&[("job", "a"), ("__name__", "up"), ("job", "b")], LabelFault::Duplicate("job".into())),
        ];
        for (pairs, fault) in cases {
            assert_eq!(build(pairs, true), Err(fault), "{pairs:?}");
        }
        let mut scratch = LabelScratch { raw: vec![(b"__name__", b"\xff")], text: String::new() };
        assert_eq!(scratch.build(true), Err(LabelFault::NotUtf8));
        assert_eq!(scratch.describe(), "{__name__=\"\u{fffd}\"}");
    }
}
