//! Entries of one stream in memory: times, lines, structured metadata; merging, cutting and filtering them.

use hashbrown::HashSet;
use model::{ABSENT, Column, Lines, NamedColumn, PageInfo};

/// What an entry costs beside its texts: its time and where its line ends.
pub(crate) const ENTRY_BYTES: usize = 12;

/// Entries, by place. Most are in order of time; whoever needs that says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entries {
    pub(crate) timestamps: Vec<i64>,
    pub(crate) lines: Lines,
    pub(crate) meta: Meta,
}

/// Structured metadata, entry by entry. Costs nothing as long as no entry has any.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meta {
    names: Vec<Box<str>>,
    text: String,
    /// Name, and where the value ends in `text`.
    pairs: Vec<(u32, u32)>,
    /// Where the pairs of each entry end; empty where no entry has any.
    ends: Vec<u32>,
}

impl Meta {
    fn push<'a>(&mut self, entries: usize, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        let before = self.pairs.len();
        for (name, value) in pairs {
            let place = self.place(name);
            self.text.push_str(value);
            self.pairs.push((place, self.text.len() as u32));
        }
        if self.pairs.len() > before || !self.ends.is_empty() {
            self.ends.resize(entries, 0);
            self.ends.push(self.pairs.len() as u32);
        }
    }

    /// Adds what a range of the entries of others has, behind `entries` entries.
    fn append(&mut self, entries: usize, other: &Meta, range: std::ops::Range<usize>) {
        let end_of =
            |entry: usize| if entry == 0 { 0 } else { other.ends.get(entry - 1).map_or(0, |end| *end as usize) };
        if other.ends.is_empty() {
            if !self.ends.is_empty() {
                self.ends.resize(entries + range.len(), self.pairs.len() as u32);
            }
            return;
        }
        self.ends.resize(entries, self.pairs.len() as u32);
        let places: Vec<u32> = other.names.iter().map(|name| self.place(name)).collect();
        let last = range.end.min(other.ends.len());
        let (from, to) = (end_of(range.start.min(last)), end_of(last));
        let text_at = |pair: usize| if pair == 0 { 0 } else { other.pairs[pair - 1].1 as usize };
        let (text_from, text_to) = (text_at(from), text_at(to));
        let (text_before, pairs_before) = (self.text.len(), self.pairs.len());
        self.text.push_str(&other.text[text_from..text_to]);
        let moved = |end: u32| (end as usize - text_from + text_before) as u32;
        self.pairs.extend(other.pairs[from..to].iter().map(|(name, end)| (places[*name as usize], moved(*end))));
        let ends = other.ends[range.start.min(last)..last].iter();
        self.ends.extend(ends.map(|end| (*end as usize - from + pairs_before) as u32));
        self.ends.resize(entries + range.len(), self.pairs.len() as u32);
    }

    fn place(&mut self, name: &str) -> u32 {
        let known = self.names.iter().position(|n| **n == *name);
        known.unwrap_or_else(|| {
            self.names.push(Box::from(name));
            self.names.len() - 1
        }) as u32
    }

    /// Name and value of the metadata of an entry, in the order in which they came.
    pub(crate) fn of(&self, entry: usize) -> impl Iterator<Item = (&str, &str)> {
        let end = self.ends.get(entry).copied().unwrap_or(0) as usize;
        let begin = if entry == 0 { 0 } else { self.ends.get(entry - 1).copied().unwrap_or(0) as usize };
        (begin..end).map(move |at| {
            let (name, end) = self.pairs[at];
            let begin = if at == 0 { 0 } else { self.pairs[at - 1].1 };
            (&*self.names[name as usize], &self.text[begin as usize..end as usize])
        })
    }

    /// True where some entry may have metadata of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| **known == *name)
    }

    /// Bytes of memory.
    fn memory(&self) -> usize {
        self.text.len() + 8 * self.pairs.len() + 4 * self.ends.len() + 40 * self.names.len()
    }

    /// Names and values, for each entry anew.
    fn bytes(&self) -> u64 {
        let names: u64 = self.pairs.iter().map(|(name, _)| self.names[*name as usize].len() as u64).sum();
        names + self.text.len() as u64
    }

    /// The same by name. Of two values of one name in an entry the last counts.
    pub(crate) fn columns(&self, entries: usize) -> Vec<NamedColumn> {
        let mut columns = Vec::with_capacity(self.names.len());
        for (place, name) in self.names.iter().enumerate() {
            let mut codes = vec![ABSENT; entries];
            let mut values: Vec<Box<str>> = Vec::new();
            let mut known: hashbrown::HashMap<&str, u32> = hashbrown::HashMap::new();
            for (entry, code) in codes.iter_mut().enumerate().take(self.ends.len()) {
                for (_, value) in self.of_name(entry, place as u32) {
                    *code = *known.entry(value).or_insert_with(|| {
                        values.push(Box::from(value));
                        values.len() as u32 - 1
                    });
                }
            }
            columns.push(NamedColumn { name: name.clone(), values: Column::Dictionary { values, codes } });
        }
        columns
    }

    fn of_name(&self, entry: usize, wanted: u32) -> impl Iterator<Item = (u32, &str)> {
        let end = self.ends[entry] as usize;
        let begin = if entry == 0 { 0 } else { self.ends[entry - 1] as usize };
        (begin..end).filter(move |at| self.pairs[*at].0 == wanted).map(move |at| {
            let begin = if at == 0 { 0 } else { self.pairs[at - 1].1 };
            (wanted, &self.text[begin as usize..self.pairs[at].1 as usize])
        })
    }
}

impl Entries {
    /// Adds an entry behind the others.
    pub(crate) fn push<'a>(&mut self, timestamp: i64, line: &[u8], metadata: impl Iterator<Item = (&'a str, &'a str)>) {
        self.meta.push(self.timestamps.len(), metadata);
        self.timestamps.push(timestamp);
        self.lines.push(line);
    }

    pub(crate) fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Adds entry `index` of others.
    pub(crate) fn push_from(&mut self, other: &Entries, index: usize) {
        self.push(other.timestamps[index], other.lines.get(index), other.meta.of(index));
    }

    /// True where each entry is later than the one before, so that none is there twice.
    fn is_in_order_once(&self) -> bool {
        self.timestamps.is_sorted_by(|a, b| a < b)
    }

    /// Bytes of memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.lines.text.len() + ENTRY_BYTES * self.len() + self.meta.memory()
    }

    /// What a page of these entries, in order of time, says of itself.
    pub(crate) fn info(&self) -> PageInfo {
        PageInfo {
            first: self.timestamps.first().copied().unwrap_or(0),
            last: self.timestamps.last().copied().unwrap_or(0),
            entries: self.len() as u32,
            line_bytes: (self.lines.text.len() - self.len()) as u64,
            metadata_bytes: self.meta.bytes(),
        }
    }

    /// Takes over a part of the entries.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Entries {
        let mut part = Entries::default();
        part.append(self, range);
        part
    }

    /// Adds a range of the entries of others.
    pub(crate) fn append(&mut self, other: &Entries, range: std::ops::Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.meta.append(self.len(), &other.meta, range.clone());
        self.timestamps.extend_from_slice(&other.timestamps[range.clone()]);
        let (from, to) = (other.lines.start(range.start), other.lines.ends[range.end - 1] as usize + 1);
        let before = self.lines.text.len();
        self.lines.text.extend_from_slice(&other.lines.text[from..to]);
        self.lines.ends.extend(other.lines.ends[range].iter().map(|end| (*end as usize - from + before) as u32));
    }

    /// Makes room for as many entries and as much text as others have.
    pub(crate) fn reserve_as(&mut self, (entries, text_bytes): (usize, usize)) {
        self.timestamps.reserve(entries);
        self.lines.ends.reserve(entries);
        self.lines.text.reserve(text_bytes);
    }

    /// Keeps the entries for which `keep` answers true.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Entries, usize) -> bool) {
        let kept: Vec<usize> = (0..self.len()).filter(|index| keep(self, *index)).collect();
        if kept.len() == self.len() {
            return;
        }
        let mut rest = Entries::default();
        kept.into_iter().for_each(|index| rest.push_from(self, index));
        *self = rest;
    }
}

/// The places of all lines that contain a text, ascending; `None` where a line break is part of it, or there is none.
pub(crate) fn find(lines: &Lines, text: &[u8]) -> Option<Vec<u32>> {
    if text.is_empty() || text.contains(&b'\n') {
        return None;
    }
    let finder = memchr::memmem::Finder::new(text);
    let mut hits = Vec::new();
    let mut from = 0;
    while let Some(found) = finder.find(&lines.text[from..]) {
        // Lines end with a line break, so what has none is within one.
        let line = lines.line_at(from + found);
        hits.push(line as u32);
        from = lines.ends[line] as usize + 1;
    }
    Some(hits)
}

/// Puts entries in order of time, each time and line once. Entries of one time stay in the order of the parts.
pub(crate) fn merge(parts: &[&Entries]) -> Entries {
    let filled = || parts.iter().filter(|part| !part.is_empty());
    let follows = |(before, after): (&&Entries, &&Entries)| before.timestamps.last() < after.timestamps.first();
    if filled().zip(filled().skip(1)).all(follows) && parts.iter().all(|part| part.is_in_order_once()) {
        let mut merged = Entries::default();
        merged.reserve_as((
            parts.iter().map(|part| part.len()).sum(),
            parts.iter().map(|part| part.lines.text.len()).sum(),
        ));
        filled().for_each(|part| merged.append(part, 0..part.len()));
        return merged;
    }
    let mut order: Vec<(i64, u32, u32)> = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for (number, part) in parts.iter().enumerate() {
        order.extend(part.timestamps.iter().enumerate().map(|(at, time)| (*time, number as u32, at as u32)));
    }
    order.sort_by_key(|(time, ..)| *time);
    let mut merged = Entries::default();
    let line = |(_, part, at): &(i64, u32, u32)| parts[*part as usize].lines.get(*at as usize);
    let mut seen: HashSet<&[u8]> = HashSet::new();
    for run in order.chunk_by(|a, b| a.0 == b.0) {
        seen.clear();
        for entry in run {
            if run.len() == 1 || seen.insert(line(entry)) {
                merged.push_from(parts[entry.1 as usize], entry.2 as usize);
            }
        }
    }
    merged
}

/// Cuts entries in order of time into parts of about `target` bytes of lines each. Parts end where the time changes if they can,
/// and always at multiples of `window` nanoseconds.
pub(crate) fn cuts(entries: &Entries, target: usize, window: i64) -> Vec<std::ops::Range<usize>> {
    let mut parts = Vec::new();
    let mut begin = 0;
    while begin < entries.len() {
        let edge = entries.timestamps[begin].div_euclid(window).saturating_add(1).saturating_mul(window);
        let end = begin + entries.timestamps[begin..].partition_point(|time| *time < edge);
        let end = if end == begin { entries.len() } else { end };
        cut_evenly(entries, begin..end, target, &mut parts);
        begin = end;
    }
    parts
}

fn cut_evenly(
    entries: &Entries,
    range: std::ops::Range<usize>,
    target: usize,
    parts: &mut Vec<std::ops::Range<usize>>,
) {
    let from = entries.lines.start(range.start);
    let bytes = entries.lines.ends[range.end - 1] as usize - from;
    let count = (bytes + target / 2) / target;
    let mut begin = range.start;
    for number in 1..=count.max(1) {
        let until = from + bytes * number / count.max(1);
        let mut end = entries.lines.ends.partition_point(|line_end| (*line_end as usize) < until) + 1;
        end = end.clamp(begin, range.end);
        // A few more entries are fine where that spares readers a merge of neighbours.
        while end < range.end && end > 0 && entries.timestamps[end] == entries.timestamps[end - 1] {
            end += 1;
        }
        if number == count.max(1) {
            end = range.end;
        }
        if end > begin {
            parts.push(begin..end);
            begin = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(list: &[(i64, String)]) -> Entries {
        let mut entries = Entries::default();
        for (time, line) in list {
            let pairs = [("len", line.as_str()), ("odd", "yes")];
            entries.push(*time, line.as_bytes(), pairs.into_iter().take((*time % 3) as usize));
        }
        entries
    }

    proptest! {
        #[test]
        fn merging_keeps_each_time_and_line_once(lists in proptest::collection::vec(
            proptest::collection::vec((0_i64..20, "[ab]{0,2}"), 0..30), 0..4)) {
            let parts: Vec<Entries> = lists.iter().map(|list| entries(list)).collect();
            let merged = merge(&parts.iter().collect::<Vec<_>>());
            prop_assert!(merged.timestamps.is_sorted());
            let mut found: Vec<(i64, Vec<u8>)> =
                (0..merged.len()).map(|at| (merged.timestamps[at], merged.lines.get(at).to_vec())).collect();
            found.sort();
            let mut wanted: Vec<(i64, Vec<u8>)> =
                lists.iter().flatten().map(|(time, line)| (*time, line.clone().into_bytes())).collect();
            wanted.sort();
            wanted.dedup();
            prop_assert_eq!(found, wanted);
            for at in 0..merged.len() {
                prop_assert_eq!(merged.meta.of(at).count(), (merged.timestamps[at] % 3) as usize);
            }
        }

        #[test]
        fn parts_are_what_they_were(
            list in proptest::collection::vec((0_i64..9, "[a-z]{0,3}"), 0..30), plain in 0_usize..30,
            begin in any::<prop::sample::Index>(), length in 0_usize..30,
        ) {
            let mut all = entries(&list);
            let mut other = Entries::default();
            // Some have no metadata at all, some only at the beginning.
            for (time, line) in list.iter().take(plain) {
                other.push(*time, line.as_bytes(), std::iter::empty());
            }
            all.append(&other, 0..other.len());
            other.append(&all, 0..all.len());
            let begin = begin.index(all.len() + 1);
            let range = begin..(begin + length).min(all.len());
            let part = all.part(range.clone());
            prop_assert_eq!(part.len(), range.len());
            prop_assert_eq!(other.len(), all.len() + plain.min(list.len()));
            for (at, from) in range.enumerate() {
                let moved = from + plain.min(list.len());
                for (one, at) in [(&part, at), (&other, moved)] {
                    prop_assert_eq!(one.timestamps[at], all.timestamps[from]);
                    prop_assert_eq!(one.lines.get(at), all.lines.get(from));
                    prop_assert_eq!(one.meta.of(at).collect::<Vec<_>>(), all.meta.of(from).collect::<Vec<_>>());
                }
            }
        }

        #[test]
        fn cuts_cover_everything_in_order(
            mut list in proptest::collection::vec((0_i64..100, "[a-z]{0,20}"), 1..200), target in 1_usize..300, window in 1_i64..200,
        ) {
            list.sort();
            let all = entries(&list);
            let parts = cuts(&all, target, window);
            let places: Vec<usize> = parts.iter().cloned().flatten().collect();
            prop_assert_eq!(places, (0..all.len()).collect::<Vec<_>>());
            for part in parts {
                let (first, last) = (all.timestamps[part.start], all.timestamps[part.end - 1]);
                prop_assert_eq!(first.div_euclid(window), last.div_euclid(window));
                let taken = all.part(part.clone());
                prop_assert_eq!(taken.lines.get(0), all.lines.get(part.start));
                prop_assert_eq!(taken.meta.of(0).collect::<Vec<_>>(), all.meta.of(part.start).collect::<Vec<_>>());
            }
        }
    }
}
