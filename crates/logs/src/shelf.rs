//! The shelf of log blocks, and deletions that have a filter.

use std::collections::HashMap;

use blocks::shelf::Grave;
use model::{Labels, PageInfo, TimeRange};
use parking_lot::Mutex;

use crate::block::Block;
use crate::entries::Entries;
use crate::head::matches;
use crate::{EntryFilter, FilterCompiler};

pub(crate) use blocks::shelf::is_damage;

/// The blocks of one store.
pub(crate) type Shelf = blocks::shelf::Shelf<Block>;
/// What counts at one moment.
pub(crate) type View = blocks::shelf::View<Block>;

/// Filters of deletions, made of their texts once.
pub(crate) struct Filters {
    compile: Option<FilterCompiler>,
    known: Mutex<HashMap<String, Option<EntryFilter>>>,
}

impl std::fmt::Debug for Filters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filters").finish_non_exhaustive()
    }
}

impl Filters {
    pub(crate) fn new(compile: Option<FilterCompiler>) -> Self {
        Filters { compile, known: Mutex::default() }
    }

    /// Tries a text.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        let compile = self.compile.as_ref().ok_or("this store takes deletions without a filter only")?;
        compile(text).map(drop)
    }

    /// The filter of a text; `None` where it cannot be made.
    pub(crate) fn get(&self, text: &str) -> Option<EntryFilter> {
        let mut known = self.known.lock();
        if let Some(filter) = known.get(text) {
            return filter.clone();
        }
        let made = self.compile.as_ref().ok_or_else(|| "nothing can make it".to_owned()).and_then(|make| make(text));
        let filter = made.map_err(|error| tracing::error!(text, error, "a deletion's filter cannot be made")).ok();
        known.insert(text.to_owned(), filter.clone());
        filter
    }
}

/// The milliseconds of a page.
pub(crate) fn range_of(info: &PageInfo) -> TimeRange {
    TimeRange::new(info.first.div_euclid(1_000_000), info.last.div_euclid(1_000_000))
}

/// What deletions leave of a page.
#[derive(Debug)]
pub(crate) enum Left<'g> {
    /// All of it.
    All,
    /// Nothing.
    Nothing,
    /// What these do not speak of.
    Some(Vec<&'g Grave>),
}

/// What deletions leave of a page of a stream.
pub(crate) fn left<'g>(graves: &[&'g Grave], labels: &Labels, info: &PageInfo) -> Left<'g> {
    let range = range_of(info);
    let mut some = Vec::new();
    for grave in graves {
        if !grave.tombstone.range.overlaps(&range) || !matches(labels, &grave.matchers) {
            continue;
        }
        let covers = grave.tombstone.range.start <= range.start && range.end <= grave.tombstone.range.end;
        if covers && grave.tombstone.filter.is_none() {
            return Left::Nothing;
        }
        some.push(*grave);
    }
    if some.is_empty() { Left::All } else { Left::Some(some) }
}

/// Takes out what deletions speak of.
pub(crate) fn bury(entries: &mut Entries, graves: &[&Grave], filters: &Filters) {
    for grave in graves {
        let filter = match &grave.tombstone.filter {
            None => None,
            Some(text) => match filters.get(text) {
                Some(filter) => Some(filter),
                None => continue,
            },
        };
        entries.retain(|entries, at| {
            let time = entries.timestamps[at];
            if !grave.tombstone.range.contains(model::Timestamp(time.div_euclid(1_000_000))) {
                return true;
            }
            let Some(filter) = &filter else { return false };
            let metadata: Vec<(&str, &str)> = entries.meta.of(at).collect();
            !filter(time, entries.lines.get(at), &metadata)
        });
    }
}
