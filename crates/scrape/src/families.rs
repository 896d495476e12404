//! Type, help and unit of the metric families that targets expose.
//!
//! Twenty thousand targets of a few kinds say the same few hundred things, again and again. So families, and whole lists of
//! them, are interned once for all targets, and a target holds one pointer.

use std::collections::HashSet;
use std::sync::Arc;

use model::{Metadata, MetricType};
use parking_lot::Mutex;

use crate::exposition::Entry;
use crate::snapshot::FamilyMetadata;

/// A list of families as one target exposes it.
pub(crate) type FamilyList = Arc<[Arc<FamilyMetadata>]>;

/// A family that is no longer exposed is shown for so many more scrapes, as in Prometheus.
const KEPT_SCRAPES: u32 = 10;

/// Everything that any target said lately, each thing once.
#[derive(Debug, Default)]
pub(crate) struct FamilyStore {
    families: Mutex<HashSet<Arc<FamilyMetadata>>>,
    lists: Mutex<HashSet<FamilyList>>,
}

impl FamilyStore {
    /// The shared copy, and whether it is new.
    fn family(&self, family: FamilyMetadata) -> (Arc<FamilyMetadata>, bool) {
        let mut families = self.families.lock();
        if let Some(known) = families.get(&family) {
            return (known.clone(), false);
        }
        let family = Arc::new(family);
        families.insert(family.clone());
        (family, true)
    }

    fn list(&self, list: Vec<Arc<FamilyMetadata>>) -> FamilyList {
        let mut lists = self.lists.lock();
        let list: FamilyList = list.into();
        if let Some(known) = lists.get(&list) {
            return known.clone();
        }
        lists.insert(list.clone());
        list
    }

    /// Forgets what no target says any more.
    pub(crate) fn sweep(&self) {
        self.lists.lock().retain(|list| Arc::strong_count(list) > 1);
        self.families.lock().retain(|family| Arc::strong_count(family) > 1);
    }
}

/// What one target exposes, from scrape to scrape.
#[derive(Debug, Default)]
pub(crate) struct TargetFamilies {
    current: FamilyList,
    /// Families that the last scrapes did not show, and for how many scrapes.
    fading: Vec<(Arc<FamilyMetadata>, u32)>,
}

/// Collects the families of one scrape. While they are those of the scrape before, nothing is allocated.
pub(crate) struct FamilyCollector<'s> {
    store: &'s FamilyStore,
    known: FamilyList,
    /// How many of `known` have been met, in order.
    matched: usize,
    /// The list, once it differs from `known`.
    changed: Option<Vec<Arc<FamilyMetadata>>>,
    pending: Option<FamilyMetadata>,
    /// Families that no target had said before.
    pub(crate) new: Vec<(String, Metadata)>,
}

impl<'s> FamilyCollector<'s> {
    pub(crate) fn new(store: &'s FamilyStore, families: &TargetFamilies) -> Self {
        let known = families.current.clone();
        FamilyCollector { store, known, matched: 0, changed: None, pending: None, new: Vec::new() }
    }

    /// Takes note of a metadata entry.
    pub(crate) fn see(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Type { family, metric_type } => self.pending(family).metric_type = *metric_type,
            Entry::Help { family, help } => help.as_ref().clone_into(&mut self.pending(family).help),
            Entry::Unit { family, unit } => unit.as_ref().clone_into(&mut self.pending(family).unit),
            Entry::Sample { .. } => {}
        }
    }

    fn pending(&mut self, family: &str) -> &mut Metadata {
        if self.pending.as_ref().is_none_or(|p| p.family != family) {
            self.flush();
            let metadata = Metadata { metric_type: MetricType::Unknown, help: String::new(), unit: String::new() };
            self.pending = Some(FamilyMetadata { family: family.to_owned(), metadata });
        }
        &mut self.pending.as_mut().expect("set just above").metadata
    }

    fn flush(&mut self) {
        let Some(family) = self.pending.take() else { return };
        if self.changed.is_none() && self.known.get(self.matched).is_some_and(|k| **k == family) {
            self.matched += 1;
            return;
        }
        let (family, is_new) = self.store.family(family);
        if is_new {
            self.new.push((family.family.clone(), family.metadata.clone()));
        }
        let matched = &self.known[..self.matched];
        self.changed.get_or_insert_with(|| matched.to_vec()).push(family);
    }

    /// The families after the scrape: what it showed, then what it no longer showed.
    pub(crate) fn finish(mut self, families: &mut TargetFamilies) -> (FamilyList, Vec<(String, Metadata)>) {
        self.flush();
        if self.changed.is_none() && self.matched == self.known.len() && families.fading.is_empty() {
            return (self.known, self.new);
        }
        let mut shown = self.changed.take().unwrap_or_else(|| self.known[..self.matched].to_vec());
        let mut names: HashSet<&str> = HashSet::new();
        let mut unique = Vec::with_capacity(shown.len());
        // Of a family that is described twice, the last description counts.
        for family in shown.iter().rev() {
            if names.insert(&family.family) {
                unique.push(family.clone());
            }
        }
        unique.reverse();
        let mut fading = Vec::new();
        let gone = families.current.iter().map(|f| (f, 0)).chain(families.fading.iter().map(|(f, age)| (f, age + 1)));
        for (family, age) in gone {
            if age <= KEPT_SCRAPES && !names.contains(family.family.as_str()) {
                fading.push((family.clone(), age));
            }
        }
        drop(names);
        shown = unique;
        families.fading = fading;
        families.current = self.store.list(shown);
        let all = families.current.iter().chain(families.fading.iter().map(|(f, _)| f));
        let list =
            if families.fading.is_empty() { families.current.clone() } else { self.store.list(all.cloned().collect()) };
        (list, self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Format, ParseOptions, parser};

    fn scrape(body: &str, store: &FamilyStore, families: &mut TargetFamilies) -> (Vec<String>, usize) {
        let mut parser = parser(body.as_bytes(), Format::Text, ParseOptions::default());
        let mut collector = FamilyCollector::new(store, families);
        while let Some(entry) = parser.advance().unwrap() {
            collector.see(&entry);
        }
        let (list, new) = collector.finish(families);
        (list.iter().map(|f| format!("{} {}", f.family, f.metadata.help)).collect(), new.len())
    }

    #[test]
    fn equal_targets_share_one_list() {
        let (store, mut a, mut b) = (FamilyStore::default(), TargetFamilies::default(), TargetFamilies::default());
        let body = "# HELP x one\n# TYPE x gauge\nx 1\n# HELP y two\ny 1\n";
        assert_eq!(scrape(body, &store, &mut a), (vec!["x one".into(), "y two".into()], 2));
        assert_eq!(scrape(body, &store, &mut b).1, 0, "nothing new");
        assert_eq!(scrape(body, &store, &mut a).1, 0);
        assert!(Arc::ptr_eq(&a.current, &b.current));
        drop((a, b));
        store.sweep();
        assert!(store.families.lock().is_empty() && store.lists.lock().is_empty());
    }

    #[test]
    fn families_fade_after_ten_scrapes() {
        let (store, mut families) = (FamilyStore::default(), TargetFamilies::default());
        scrape("# HELP x one\n# HELP y two\n", &store, &mut families);
        for _ in 0..=KEPT_SCRAPES {
            assert_eq!(scrape("# HELP y three\n", &store, &mut families).0, ["y three", "x one"]);
        }
        assert_eq!(scrape("# HELP y three\n", &store, &mut families).0, ["y three"]);
    }
}
