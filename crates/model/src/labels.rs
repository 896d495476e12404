//! A label set as one immutable, cheaply cloned string.
//!
//! All names and values stand in one `Arc<str>`, each preceded by its length in ASCII digits of base 64, so a label set is
//! one allocation, compares for equality and hashes as plain memory, and still is safe UTF-8 text.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The label that carries the metric name.
pub const METRIC_NAME: &str = "__name__";

/// A borrowed name and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<'a> {
    /// Label name.
    pub name: &'a str,
    /// Label value, never empty inside [`Labels`].
    pub value: &'a str,
}

/// A sorted set of labels without empty values and without duplicate names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// The empty label set.
    pub fn empty() -> Self {
        Labels(Arc::from(""))
    }

    /// Sorts by name, drops empty values; of two labels with one name the last wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// Encodes pairs that are already sorted by name, unique and without empty values.
    ///
    /// `scratch` is cleared first; pass the same string again and again to avoid allocation.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, scratch: &mut String) -> Self {
        scratch.clear();
        for (name, value) in pairs {
            push_text(scratch, name);
            push_text(scratch, value);
        }
        Labels(Arc::from(scratch.as_str()))
    }

    /// The value of a label, or `None` where it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().take_while(|l| l.name <= name).find(|l| l.name == name).map(|l| l.value)
    }

    /// The metric name, empty where there is none.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or("")
    }

    /// Labels in the order of their names.
    pub fn iter(&self) -> LabelIter<'_> {
        LabelIter { rest: &self.0 }
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True where there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A stable 64-bit hash of the whole set (xxh3 of the encoded text).
    pub fn hash64(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.0.as_bytes())
    }

    /// A stable 128-bit hash of the whole set (xxh3 of the encoded text): names a series wherever it is stored.
    pub fn hash128(&self) -> u128 {
        xxhash_rust::xxh3::xxh3_128(self.0.as_bytes())
    }

    /// What [`Labels::hash128`] answers for pairs that are sorted by name, unique and without empty values; `scratch` spares an
    /// allocation.
    pub fn hash128_of_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, scratch: &mut String) -> u128 {
        scratch.clear();
        for (name, value) in pairs {
            push_text(scratch, name);
            push_text(scratch, value);
        }
        xxhash_rust::xxh3::xxh3_128(scratch.as_bytes())
    }

    /// The labels without those for which `drop` answers true.
    pub fn without(&self, mut drop: impl FnMut(&str) -> bool) -> Labels {
        let mut scratch = String::with_capacity(self.0.len());
        Labels::from_sorted(self.iter().filter(|l| !drop(l.name)).map(|l| (l.name, l.value)), &mut scratch)
    }

    /// The labels without the metric name.
    pub fn without_name(&self) -> Labels {
        if self.get(METRIC_NAME).is_none() { self.clone() } else { self.without(|n| n == METRIC_NAME) }
    }

    /// A builder that starts from these labels.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect() }
    }

    /// Bytes of the encoded set, for memory accounts.
    pub fn encoded_len(&self) -> usize {
        self.0.len()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Labels::empty()
    }
}

impl Ord for Labels {
    /// Lexicographic by name, then value, then number of labels: the order in which Prometheus sorts results.
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let Some(differing) = first_difference(ours, theirs) else { return ours.len().cmp(&theirs.len()) };
        // Up to the text that differs, both have the same texts at the same places.
        let mut at = 0;
        loop {
            let (begin, length) = read_length(ours, at);
            if begin + length <= differing {
                at = begin + length;
                continue;
            }
            let (their_begin, their_length) = read_length(theirs, at);
            return ours[begin..begin + length].cmp(&theirs[their_begin..their_begin + their_length]);
        }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Labels {
    /// `{a="1", b="2"}` with Go-style quoting, the metric name as `__name__`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, label) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if is_valid_legacy_label_name(label.name) {
                f.write_str(label.name)?;
            } else {
                f.write_str(&quote(label.name))?;
            }
            write!(f, "={}", quote(label.value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for label in self.iter() {
            map.serialize_entry(label.name, label.value)?;
        }
        map.end()
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = Label<'a>;
    type IntoIter = LabelIter<'a>;
    fn into_iter(self) -> LabelIter<'a> {
        self.iter()
    }
}

/// Iterates over the labels of a [`Labels`] by name.
#[derive(Clone)]
pub struct LabelIter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for LabelIter<'a> {
    type Item = Label<'a>;
    fn next(&mut self) -> Option<Label<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let name = take_text(&mut self.rest);
        let value = take_text(&mut self.rest);
        Some(Label { name, value })
    }
}

/// Collects and edits labels before they are frozen.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() {
            return self.remove(name);
        }
        match self.pairs.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.pairs.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    /// Keeps only the labels for which `keep` answers true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        self.pairs.retain(|(n, v)| keep(n, v));
        self
    }

    /// The present value, empty where the label is absent.
    pub fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// Name and value of every label, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Freezes the set.
    pub fn build(mut self) -> Labels {
        self.pairs.sort_unstable();
        let mut scratch = String::with_capacity(self.pairs.iter().map(|(n, v)| n.len() + v.len() + 4).sum());
        Labels::from_sorted(self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())), &mut scratch)
    }
}

/// Prometheus' classic metric name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_valid_legacy_metric_name(name: &str) -> bool {
    is_identifier(name, |b| b == b':')
}

/// Prometheus' classic label name: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_valid_legacy_label_name(name: &str) -> bool {
    is_identifier(name, |_| false)
}

fn is_identifier(name: &str, also: impl Fn(u8) -> bool) -> bool {
    let first_ok = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || also(b));
    first_ok && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || also(b))
}

/// Quotes as Go's `strconv.Quote` does: printable Unicode stays, the rest is escaped.
pub(crate) fn quote(text: &str) -> String {
    crate::float::go_quote(text)
}

// A length is written in base 64, least significant digit first, as ASCII: `0x20 + digit`, or `0x40 + digit` while more digits follow.
// The last digit lies in 0x20..0x3f (5 bits), the others in 0x40..0x7f (6 bits).
fn push_text(out: &mut String, text: &str) {
    let mut length = text.len();
    while length >= 32 {
        out.push(char::from(0x40 + (length & 63) as u8));
        length >>= 6;
    }
    out.push(char::from(0x20 + length as u8));
    out.push_str(text);
}

fn take_text<'a>(rest: &mut &'a str) -> &'a str {
    let (at, length) = read_length(rest.as_bytes(), 0);
    let (text, after) = rest[at..].split_at(length);
    *rest = after;
    text
}

/// Where the text begins whose length is written at a place, and its length.
fn read_length(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let mut length = 0_usize;
    let mut shift = 0;
    loop {
        let digit = bytes[at];
        at += 1;
        if digit < 0x40 {
            return (at, length | usize::from(digit - 0x20) << shift);
        }
        length |= usize::from(digit - 0x40) << shift;
        shift += 6;
    }
}

/// The first place at which two texts differ; `None` where one begins with the other.
fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    const WORD: usize = 8;
    let words = a.chunks_exact(WORD).zip(b.chunks_exact(WORD));
    let equal = words.take_while(|(a, b)| a == b).count() * WORD;
    let rest = a[equal..].iter().zip(&b[equal..]);
    rest.into_iter().position(|(a, b)| a != b).map(|at| equal + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn holds_what_a_map_holds(map in proptest::collection::btree_map(".{0,80}", ".{0,200}", 0..12)) {
            let labels = Labels::from_pairs(&map);
            let expected: BTreeMap<_, _> = map.iter().filter(|(_, v)| !v.is_empty()).collect();
            let found: BTreeMap<_, _> = labels.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect();
            prop_assert_eq!(found.iter().collect::<BTreeMap<_, _>>(), expected);
            let pairs = || labels.iter().map(|l| (l.name, l.value));
            prop_assert_eq!(labels.hash128(), Labels::hash128_of_sorted(pairs(), &mut String::new()));
            for (name, value) in &map {
                prop_assert_eq!(labels.get(name).unwrap_or(""), value);
            }
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_pairs(
            a in proptest::collection::btree_map("[a-c]{1,2}", "[xy]{0,3}|x{30,70}y?", 0..5),
            b in proptest::collection::btree_map("[a-c]{1,2}", "[xy]{0,3}|x{30,70}y?", 0..5),
        ) {
            let (a, b) = (Labels::from_pairs(&a), Labels::from_pairs(&b));
            prop_assert_eq!(a.cmp(&b), a.iter().cmp(b.iter()));
        }
    }

    #[test]
    fn long_values_survive() {
        for length in [0, 1, 31, 32, 63, 64, 2047, 2048, 2049, 100_000] {
            let value = "x".repeat(length);
            let labels = Labels::from_pairs([("a", value.as_str()), ("b", "2")]);
            assert_eq!(labels.get("a").unwrap_or(""), value);
            assert_eq!(labels.get("b"), Some("2"));
        }
    }

    #[test]
    fn order_is_by_name_then_value() {
        let a = Labels::from_pairs([("a", "1")]);
        let ab = Labels::from_pairs([("a", "1"), ("b", "1")]);
        let b = Labels::from_pairs([("a", "2")]);
        assert!(a < ab && ab < b);
    }

    #[test]
    fn display_quotes() {
        let labels = Labels::from_pairs([("__name__", "up"), ("path", "a\"b\\c\n"), ("my.dot", "é")]);
        assert_eq!(labels.to_string(), r#"{__name__="up", "my.dot"="é", path="a\"b\\c\n"}"#);
    }
}
