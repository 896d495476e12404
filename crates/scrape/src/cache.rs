//! What a scrape loop remembers of its target's series, so that the next scrape needs no work on labels, and so that series
//! that vanish get their staleness markers.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use model::{AppendReport, Labels, SeriesRef};

use crate::families::TargetFamilies;

/// No reference is known yet.
const NO_REF: u64 = u64::MAX;

/// One series of a target, or one that relabelling drops (then without labels).
#[derive(Debug)]
pub(crate) struct CachedSeries {
    pub(crate) labels: Labels,
    reference: u64,
    /// The attempt that saw the series last.
    seen: u32,
    /// The store holds a sample after which no staleness marker came.
    live: bool,
    /// The present attempt shows the series, and its end is to be marked.
    current: bool,
    /// The last sample was a native histogram.
    pub(crate) is_histogram: bool,
}

impl CachedSeries {
    pub(crate) fn hint(&self) -> Option<SeriesRef> {
        (self.reference != NO_REF).then_some(SeriesRef(self.reference))
    }
}

/// A series that a marker may be written for.
#[derive(Debug)]
pub(crate) struct LiveSeries {
    pub(crate) labels: Labels,
    pub(crate) hint: Option<SeriesRef>,
    pub(crate) is_histogram: bool,
}

/// Position of a series in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

/// What the cache knows of a raw series text.
pub(crate) enum Found {
    /// Nothing.
    Unknown,
    /// Relabelling drops it.
    Dropped,
    /// A series; true where this attempt has seen it before.
    Series(Slot, bool),
}

/// The memory of one scrape loop.
#[derive(Debug, Default)]
pub(crate) struct ScrapeCache {
    index: HashMap<[u64; 2], u32, BuildHasherDefault<HalfKey>>,
    series: Vec<CachedSeries>,
    free: Vec<u32>,
    attempt: u32,
    /// Entries after the last scrape that worked.
    last_count: usize,
    /// Series known under settings that no longer hold: they go stale unless the next scrape shows them again.
    orphans: Vec<LiveSeries>,
    /// Labels and references of `up` and its companions.
    pub(crate) report: Vec<(Labels, Option<SeriesRef>)>,
    pub(crate) families: TargetFamilies,
    /// Bytes of the last body, as a hint for the next buffer.
    pub(crate) last_body_bytes: usize,
}

/// The key is a hash already, of which the halves need only be brought together.
#[derive(Default)]
pub(crate) struct HalfKey(u64);

impl Hasher for HalfKey {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for half in bytes.chunks_exact(8) {
            self.0 ^= u64::from_le_bytes(half.try_into().expect("chunks of eight bytes"));
        }
    }
}

fn index_key(raw: &[u8]) -> [u64; 2] {
    let hash = xxhash_rust::xxh3::xxh3_128(raw);
    [hash as u64, (hash >> 64) as u64]
}

impl ScrapeCache {
    /// Begins an attempt to scrape.
    pub(crate) fn begin(&mut self) {
        self.attempt = self.attempt.wrapping_add(1);
        for series in &mut self.series {
            series.current = false;
        }
    }

    /// Looks a raw series text up and notes that it was seen.
    pub(crate) fn find(&mut self, raw: &[u8]) -> Found {
        let Some(&slot) = self.index.get(&index_key(raw)) else { return Found::Unknown };
        let series = &mut self.series[slot as usize];
        let again = series.seen == self.attempt;
        series.seen = self.attempt;
        if series.labels.is_empty() { Found::Dropped } else { Found::Series(Slot(slot), again) }
    }

    /// Remembers a series; empty labels stand for one that is dropped.
    pub(crate) fn insert(&mut self, raw: &[u8], labels: Labels) -> Slot {
        let series = CachedSeries {
            labels,
            reference: NO_REF,
            seen: self.attempt,
            live: false,
            current: false,
            is_histogram: false,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.series[slot as usize] = series;
                slot
            }
            None => {
                self.series.push(series);
                self.series.len() as u32 - 1
            }
        };
        self.index.insert(index_key(raw), slot);
        Slot(slot)
    }

    pub(crate) fn get(&self, slot: Slot) -> &CachedSeries {
        &self.series[slot.0 as usize]
    }

    /// Notes that the attempt has a sample of the series; `tracked` where its end is to be marked.
    pub(crate) fn note_sample(&mut self, slot: Slot, tracked: bool, is_histogram: bool) {
        let series = &mut self.series[slot.0 as usize];
        series.current |= tracked;
        series.is_histogram = is_histogram;
    }

    /// Series that the store thinks alive and that the attempt did not show. Where `none_shown` is set, the scrape failed
    /// and shows nothing.
    pub(crate) fn vanished(&self, none_shown: bool) -> Vec<LiveSeries> {
        let gone = |s: &&CachedSeries| s.live && (none_shown || !s.current);
        let mut vanished: Vec<LiveSeries> = self
            .series
            .iter()
            .filter(gone)
            .map(|s| LiveSeries { labels: s.labels.clone(), hint: s.hint(), is_histogram: s.is_histogram })
            .collect();
        let orphans = self.orphans.iter();
        vanished.extend(orphans.map(|o| LiveSeries { labels: o.labels.clone(), ..*o }));
        if vanished.is_empty() || none_shown {
            return vanished;
        }
        // The same series may have come back under another spelling.
        let current: HashSet<&Labels> = self.series.iter().filter(|s| s.current).map(|s| &s.labels).collect();
        vanished.retain(|s| !current.contains(&s.labels));
        vanished
    }

    /// The store took a scrape that worked: `slots` are those of the first rows of the batch.
    pub(crate) fn commit(&mut self, slots: &[Slot], report: &AppendReport) {
        for (slot, reference) in slots.iter().zip(&report.refs) {
            if let Some(reference) = reference {
                self.series[slot.0 as usize].reference = reference.0;
            }
        }
        for rejection in report.rejected.iter().filter(|r| r.row < slots.len()) {
            self.series[slots[rejection.row].0 as usize].current = false;
        }
        for series in &mut self.series {
            series.live = series.current;
        }
        self.orphans.clear();
        self.forget_unseen();
        self.last_count = self.index.len();
    }

    /// The store took the staleness markers of a scrape that failed. True where the cache had grown too much and was
    /// emptied of what this attempt did not see.
    pub(crate) fn commit_failure(&mut self) -> bool {
        for series in &mut self.series {
            series.live = false;
        }
        self.orphans.clear();
        let overgrown = self.index.len() > self.last_count * 2 + 1000;
        if overgrown {
            self.forget_unseen();
        }
        overgrown
    }

    fn forget_unseen(&mut self) {
        let (series, free, attempt) = (&mut self.series, &mut self.free, self.attempt);
        self.index.retain(|_, slot| {
            let entry = &mut series[*slot as usize];
            let keep = entry.seen == attempt;
            if !keep {
                entry.labels = Labels::empty();
                entry.live = false;
                entry.current = false;
                free.push(*slot);
            }
            keep
        });
    }

    /// Forgets how raw texts map to series, because the rules for that have changed. What is live stays known.
    pub(crate) fn reset_rules(&mut self) {
        let live = self.series.drain(..).filter(|s| s.live);
        let orphans = live.map(|s| LiveSeries { hint: s.hint(), is_histogram: s.is_histogram, labels: s.labels });
        self.orphans.extend(orphans);
        self.index = HashMap::default();
        self.free = Vec::new();
        self.last_count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{RejectReason, Rejection};

    fn labels(name: &str) -> Labels {
        Labels::from_pairs([("__name__", name)])
    }

    fn scrape(cache: &mut ScrapeCache, names: &[(&str, &str)], rejected: &[usize]) -> Vec<String> {
        cache.begin();
        let mut slots = Vec::new();
        for (raw, name) in names {
            let slot = match cache.find(raw.as_bytes()) {
                Found::Series(slot, _) => slot,
                _ => cache.insert(raw.as_bytes(), labels(name)),
            };
            cache.note_sample(slot, true, false);
            slots.push(slot);
        }
        let mut vanished: Vec<_> = cache.vanished(false).iter().map(|s| s.labels.metric_name().to_owned()).collect();
        vanished.sort();
        let refs = (0..slots.len()).map(|i| (!rejected.contains(&i)).then_some(SeriesRef(i as u64))).collect();
        let rejected = rejected.iter().map(|&row| Rejection { row, reason: RejectReason::OutOfOrder }).collect();
        cache.commit(&slots, &AppendReport { refs, rejected, ..AppendReport::default() });
        vanished
    }

    #[test]
    fn vanished_series_are_named_once() {
        let mut cache = ScrapeCache::default();
        assert!(scrape(&mut cache, &[("a", "a"), ("b", "b")], &[]).is_empty());
        assert_eq!(scrape(&mut cache, &[("a", "a")], &[]), ["b"]);
        assert!(scrape(&mut cache, &[("a", "a")], &[]).is_empty());
        assert_eq!(cache.index.len(), 1, "b is forgotten");
    }

    #[test]
    fn another_spelling_is_the_same_series() {
        let mut cache = ScrapeCache::default();
        scrape(&mut cache, &[("a", "a")], &[]);
        assert!(scrape(&mut cache, &[("a{}", "a")], &[]).is_empty());
        assert_eq!(scrape(&mut cache, &[], &[]), ["a"]);
    }

    #[test]
    fn new_rules_keep_what_is_live() {
        let mut cache = ScrapeCache::default();
        scrape(&mut cache, &[("a", "a"), ("b", "b")], &[]);
        cache.reset_rules();
        assert_eq!(scrape(&mut cache, &[("a", "a")], &[]), ["b"]);
        assert!(scrape(&mut cache, &[("a", "a")], &[]).is_empty());
    }

    #[test]
    fn rejected_samples_leave_nothing_to_mark() {
        let mut cache = ScrapeCache::default();
        scrape(&mut cache, &[("a", "a"), ("b", "b")], &[1]);
        assert_eq!(scrape(&mut cache, &[], &[]), ["a"]);
    }

    #[test]
    fn a_failure_marks_everything_and_the_next_one_nothing() {
        let mut cache = ScrapeCache::default();
        scrape(&mut cache, &[("a", "a")], &[]);
        cache.begin();
        assert_eq!(cache.vanished(true).len(), 1);
        cache.commit_failure();
        cache.begin();
        assert!(cache.vanished(true).is_empty());
    }
}
