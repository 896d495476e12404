//! Which series carry which label: postings as bitmaps of slots, and matchers evaluated on them.

use std::ops::BitOrAssign;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use model::{METRIC_NAME, MatchOp, Matcher};
use roaring::RoaringBitmap;

use super::fill::Filling;
use super::symbols::{Pair, Symbol, Symbols};

/// What a series takes under a pair, and what a pair takes, roughly.
pub(super) const PAIR_BYTES: usize = 3;
pub(super) const POSTINGS_BYTES: usize = 24;

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

    fn join(&mut self, other: Postings) {
        match (&mut *self, other) {
            (_, Postings::One(slot)) => self.insert(slot),
            (Postings::Many(ours), Postings::Many(theirs)) => **ours |= *theirs,
            (Postings::One(slot), Postings::Many(mut theirs)) => {
                theirs.insert(*slot);
                *self = Postings::Many(theirs);
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Postings::One(_) => 1,
            Postings::Many(bitmap) => bitmap.len(),
        }
    }

    /// Slots of the set that carry the label pair.
    pub(crate) fn len_within(&self, set: &RoaringBitmap) -> u64 {
        match self {
            Postings::One(slot) => u64::from(set.contains(*slot)),
            Postings::Many(bitmap) => bitmap.intersection_len(set),
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
    pub(super) any: RoaringBitmap,
}

impl NameIndex {
    /// Series that carry the label.
    pub(crate) fn len(&self) -> u64 {
        self.any.len()
    }

    /// True where a slot of the set carries the label.
    pub(crate) fn touches(&self, set: &RoaringBitmap) -> bool {
        !self.any.is_disjoint(set)
    }
}

/// Visits slots and pairs of the series with local numbers in a range.
pub(crate) type Walk<'w> = dyn Fn(std::ops::Range<u32>, &mut dyn FnMut(u32, &[Pair])) + Sync + 'w;

/// Bytes that a new text takes in the index, roughly.
pub(super) fn text_bytes(text: &str, is_name: bool) -> usize {
    text.len() + if is_name { 200 } else { 48 }
}

/// Enters a slot under a pair; answers the bytes this took, roughly.
fn enter(names: &mut HashMap<Symbol, NameIndex>, slot: u32, pair: Pair) -> usize {
    let name = names.entry(pair.name).or_default();
    name.any.insert(slot);
    match name.values.entry(pair.value) {
        Entry::Occupied(mut known) => {
            known.get_mut().insert(slot);
            PAIR_BYTES
        }
        Entry::Vacant(vacant) => {
            vacant.insert(Postings::One(slot));
            PAIR_BYTES + POSTINGS_BYTES
        }
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
            bytes += usize::from(new_name) * text_bytes(name, true) + usize::from(new_value) * text_bytes(value, false);
            let pair = Pair { name: name_symbol, value: value_symbol };
            bytes += enter(&mut self.names, slot, pair);
            pairs.push(pair);
        }
        self.all.insert(slot);
        (pairs.into_boxed_slice(), bytes)
    }

    /// Enters all series at once, a range of slots on each thread; answers the bytes this took, roughly. `walk` visits the
    /// series with local numbers in a range, below `end`, in the order of their slots.
    pub(crate) fn fill(&mut self, end: u32, threads: usize, walk: &Walk<'_>) -> usize {
        let step = end.div_ceil(threads as u32).max(1);
        let fill_range = |from: u32| {
            let mut filling = Filling::default();
            walk(from..end.min(from.saturating_add(step)), &mut |slot, pairs| filling.push(slot, pairs));
            filling.finish()
        };
        std::thread::scope(|scope| {
            let ranges = (0..end).step_by(step as usize);
            let running: Vec<_> = ranges.map(|from| scope.spawn(move || fill_range(from))).collect();
            let mut bytes = 0;
            for thread in running {
                let filled = thread.join().expect("filling an index does not panic");
                self.join(filled.names);
                self.all |= filled.all;
                bytes += filled.bytes;
            }
            bytes
        })
    }

    /// Adds the postings of other slots.
    fn join(&mut self, names: HashMap<Symbol, NameIndex>) {
        if self.names.is_empty() {
            self.names = names;
            return;
        }
        for (symbol, theirs) in names {
            let ours = self.names.entry(symbol).or_default();
            ours.any |= theirs.any;
            for (value, postings) in theirs.values {
                match ours.values.entry(value) {
                    Entry::Occupied(mut known) => known.get_mut().join(postings),
                    Entry::Vacant(vacant) => {
                        vacant.insert(postings);
                    }
                }
            }
        }
    }

    /// Series in the head.
    pub(crate) fn len(&self) -> u64 {
        self.all.len()
    }

    /// The metric name among a series' labels.
    pub(crate) fn metric_name(&self, pairs: &[Pair]) -> &str {
        let name = pairs.iter().find(|pair| self.symbols.text(pair.name) == METRIC_NAME);
        name.map_or("", |pair| self.symbols.text(pair.value))
    }

    /// A series less uses these symbols; answers the bytes that this freed, roughly.
    pub(crate) fn release(&mut self, pairs: &[Pair]) -> usize {
        let mut bytes = 0;
        for (symbol, is_name) in pairs.iter().flat_map(|pair| [(pair.name, true), (pair.value, false)]) {
            bytes += self.symbols.release(symbol).map_or(0, |text| text_bytes(&text, is_name));
        }
        bytes
    }

    /// Takes a series out of all postings; answers the bytes that this freed, roughly. Its symbols stay until
    /// [`Index::release`].
    pub(crate) fn remove(&mut self, slot: u32, pairs: &[Pair]) -> usize {
        let mut bytes = 0;
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
                bytes += PAIR_BYTES;
                if is_last {
                    entry.values.remove(&pair.value);
                    bytes += POSTINGS_BYTES;
                }
                if entry.values.is_empty() {
                    self.names.remove(&pair.name);
                }
            }
        }
        bytes
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
            threads in 1_usize..5,
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
                    index.release(&pairs);
                }
            }
            let found: Vec<u32> = index.matching(&matchers).iter().collect();
            // The same index, filled at once as at a start.
            let walk = |range: std::ops::Range<u32>, visit: &mut dyn FnMut(u32, &[Pair])| {
                for slot in range {
                    if let Some(pairs) = &live[slot as usize] {
                        visit(slot, pairs);
                    }
                }
            };
            let mut filled = Index { symbols: std::mem::take(&mut index.symbols), ..Index::default() };
            filled.fill(live.len() as u32, threads, &walk);
            prop_assert_eq!(&filled.matching(&matchers).iter().collect::<Vec<_>>(), &found);
            let is_match = |labels: &Labels| matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")));
            let expected: Vec<u32> = (0..series.len() as u32)
                .filter(|slot| live[*slot as usize].is_some() && is_match(&series[*slot as usize]))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
