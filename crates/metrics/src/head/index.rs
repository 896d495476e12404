//! Which series carry which label: postings as bitmaps of slots, and matchers evaluated on them.

use std::ops::BitOrAssign;

use hashbrown::HashMap;
use model::{MatchOp, Matcher};
use roaring::RoaringBitmap;

use super::symbols::{Pair, Symbol, Symbols};

/// Slots with one label pair. Many pairs belong to one series only, and a bitmap for each would cost a hundred bytes.
#[derive(Debug)]
pub(crate) enum Postings {
    One(u32),
    Many(Box<RoaringBitmap>),
}

impl Postings {
    fn insert(&mut self, slot: u32) {
        match self {
            Postings::One(other) => *self = Postings::Many(Box::new([*other, slot].into_iter().collect())),
            Postings::Many(bitmap) => {
                bitmap.insert(slot);
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Postings::One(_) => 1,
            Postings::Many(bitmap) => bitmap.len(),
        }
    }

    fn to_bitmap(&self) -> RoaringBitmap {
        match self {
            Postings::One(slot) => RoaringBitmap::from_iter([*slot]),
            Postings::Many(bitmap) => (**bitmap).clone(),
        }
    }

    /// True where a slot of the set carries the label pair.
    pub(crate) fn touches(&self, set: &RoaringBitmap) -> bool {
        match self {
            Postings::One(slot) => set.contains(*slot),
            Postings::Many(bitmap) => !bitmap.is_disjoint(set),
        }
    }
}

impl BitOrAssign<&Postings> for RoaringBitmap {
    fn bitor_assign(&mut self, other: &Postings) {
        match other {
            Postings::One(slot) => {
                self.insert(*slot);
            }
            Postings::Many(bitmap) => *self |= &**bitmap,
        }
    }
}

/// All values of one label name.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    pub(crate) values: HashMap<Symbol, Postings>,
    any: RoaringBitmap,
}

impl NameIndex {
    /// True where a slot of the set carries the label.
    pub(crate) fn touches(&self, set: &RoaringBitmap) -> bool {
        !self.any.is_disjoint(set)
    }
}

/// The index of one tenant's head.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) symbols: Symbols,
    pub(crate) names: HashMap<Symbol, NameIndex>,
    all: RoaringBitmap,
}

impl Index {
    /// Interns labels and enters the series under them; answers the bytes this took, roughly.
    pub(crate) fn insert<'a>(
        &mut self,
        slot: u32,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> (Box<[Pair]>, usize) {
        let mut bytes = 0;
        let mut pairs = Vec::new();
        for (name, value) in labels {
            let (name_symbol, new_name) = self.symbols.acquire(name);
            let (value_symbol, new_value) = self.symbols.acquire(value);
            bytes += usize::from(new_name) * (name.len() + 200) + usize::from(new_value) * (value.len() + 48) + 3;
            let entry = self.names.entry(name_symbol).or_default();
            entry.any.insert(slot);
            match entry.values.entry(value_symbol) {
                hashbrown::hash_map::Entry::Occupied(mut known) => known.get_mut().insert(slot),
                hashbrown::hash_map::Entry::Vacant(vacant) => {
                    bytes += 24;
                    vacant.insert(Postings::One(slot));
                }
            }
            pairs.push(Pair { name: name_symbol, value: value_symbol });
        }
        self.all.insert(slot);
        (pairs.into_boxed_slice(), bytes)
    }

    /// Forgets a series.
    pub(crate) fn remove(&mut self, slot: u32, pairs: &[Pair]) {
        self.all.remove(slot);
        for pair in pairs {
            if let Some(entry) = self.names.get_mut(&pair.name) {
                entry.any.remove(slot);
                let is_last = match entry.values.get_mut(&pair.value) {
                    Some(Postings::Many(bitmap)) => {
                        bitmap.remove(slot);
                        bitmap.is_empty()
                    }
                    _ => true,
                };
                if is_last {
                    entry.values.remove(&pair.value);
                }
                if entry.values.is_empty() {
                    self.names.remove(&pair.name);
                }
            }
            self.symbols.release(pair.name);
            self.symbols.release(pair.value);
        }
    }

    /// True where the pairs are exactly these labels.
    pub(crate) fn same_labels<'a>(&self, pairs: &[Pair], mut labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        let mut pairs = pairs.iter();
        loop {
            match (pairs.next(), labels.next()) {
                (None, None) => return true,
                (Some(pair), Some((name, value))) => {
                    if self.symbols.text(pair.name) != name || self.symbols.text(pair.value) != value {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    }

    pub(crate) fn name(&self, name: &str) -> Option<&NameIndex> {
        self.names.get(&self.symbols.find(name)?)
    }

    /// Slots of the series that satisfy all matchers. An absent label counts as the empty value.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        // Equality first: it is cheap and leaves little for the others to intersect with.
        let mut ordered: Vec<&Matcher> = matchers.iter().collect();
        ordered.sort_by_key(|m| (m.matches_empty(), m.op != MatchOp::Equal, m.alternatives().is_none()));
        let mut found: Option<RoaringBitmap> = None;
        for matcher in ordered {
            if found.as_ref().is_some_and(RoaringBitmap::is_empty) {
                break;
            }
            let name = self.name(&matcher.name);
            if matcher.matches_empty() {
                let Some(name) = name else { continue };
                let set = found.get_or_insert_with(|| self.all.clone());
                *set -= self.with_values(name, matcher, false);
            } else {
                let with = name.map(|name| self.with_values(name, matcher, true)).unwrap_or_default();
                match &mut found {
                    Some(set) => *set &= with,
                    None => found = Some(with),
                }
            }
        }
        found.unwrap_or_else(|| self.all.clone())
    }

    /// Slots whose value is present and satisfies the matcher (or does not, where `wanted` is false).
    fn with_values(&self, name: &NameIndex, matcher: &Matcher, wanted: bool) -> RoaringBitmap {
        let is_positive = matches!(matcher.op, MatchOp::Equal | MatchOp::Regex);
        let literals: Option<&[String]> = match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => Some(std::slice::from_ref(&matcher.value)),
            MatchOp::Regex | MatchOp::NotRegex => matcher.alternatives(),
        };
        if let Some(literals) = literals {
            let listed = self.with_literals(name, literals);
            return if is_positive == wanted { listed } else { &name.any - listed };
        }
        let everything = match matcher.value.as_str() {
            ".*" | ".+" => Some(is_positive == wanted),
            _ => None,
        };
        if let Some(everything) = everything {
            return if everything { name.any.clone() } else { RoaringBitmap::new() };
        }
        let prefix = literal_prefix(&matcher.value);
        let mut set = RoaringBitmap::new();
        for (value, postings) in &name.values {
            let text = self.symbols.text(*value);
            let matches = if text.starts_with(prefix) { matcher.matches(text) } else { !is_positive };
            if matches == wanted {
                set |= postings;
            }
        }
        set
    }

    fn with_literals(&self, name: &NameIndex, literals: &[String]) -> RoaringBitmap {
        let find = |literal: &String| name.values.get(&self.symbols.find(literal)?);
        if let [literal] = literals {
            return find(literal).map(Postings::to_bitmap).unwrap_or_default();
        }
        let mut set = RoaringBitmap::new();
        literals.iter().filter_map(find).for_each(|postings| set |= postings);
        set
    }
}

/// What every match of a pattern begins with; empty where that is not plain to see.
fn literal_prefix(pattern: &str) -> &str {
    if pattern.contains('|') {
        return "";
    }
    let is_special =
        |c: char| matches!(c, '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$');
    let Some(end) = pattern.find(is_special) else { return pattern };
    let repeats = pattern[end..].starts_with(['+', '*', '?', '{']);
    match pattern[..end].char_indices().next_back() {
        // The character before a repetition may be absent.
        Some((last, _)) if repeats => &pattern[..last],
        _ => &pattern[..end],
    }
}

#[cfg(test)]
mod tests {
    use model::Labels;
    use proptest::prelude::*;

    use super::*;

    fn any_labels() -> impl Strategy<Value = Labels> {
        proptest::collection::vec(("[abc]", "(x|y|xy|xyz|y\n|)"), 0..4).prop_map(Labels::from_pairs)
    }

    fn any_matcher() -> impl Strategy<Value = Matcher> {
        let value = prop_oneof![
            "(x|y|xy|)",
            Just("x|y".into()),
            Just("x|".into()),
            Just("x.*".into()),
            Just("xy*".into()),
            Just("xy?".into()),
            Just("xy{0}".into()),
            Just(".*".into()),
            Just(".+".into()),
            Just("(x|y).".into()),
            Just("x|y.*".into()),
        ];
        let op =
            prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual), Just(MatchOp::Regex), Just(MatchOp::NotRegex)];
        ("[abcd]", op, value).prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
    }

    proptest! {
        #[test]
        fn matchers_mean_what_they_mean_series_by_series(
            series in proptest::collection::vec(any_labels(), 0..30),
            removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
            matchers in proptest::collection::vec(any_matcher(), 0..4),
        ) {
            let mut index = Index::default();
            let mut live: Vec<Option<Box<[Pair]>>> = Vec::new();
            for (slot, labels) in series.iter().enumerate() {
                let pairs = index.insert(slot as u32, labels.iter().map(|l| (l.name, l.value))).0;
                prop_assert!(index.same_labels(&pairs, labels.iter().map(|l| (l.name, l.value))));
                live.push(Some(pairs));
            }
            for at in removed {
                if series.is_empty() {
                    continue;
                }
                let slot = at.index(series.len());
                if let Some(pairs) = live[slot].take() {
                    index.remove(slot as u32, &pairs);
                }
            }
            let found: Vec<u32> = index.matching(&matchers).iter().collect();
            let is_match = |labels: &Labels| matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")));
            let expected: Vec<u32> = (0..series.len() as u32)
                .filter(|slot| live[*slot as usize].is_some() && is_match(&series[*slot as usize]))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
