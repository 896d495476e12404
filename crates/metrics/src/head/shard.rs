//! A part of a head with its own lock: the series whose hash falls here.

use hashbrown::HashTable;

use super::series::Series;

pub(super) const PAGE_BITS: u32 = 8;
pub(super) const PAGE: usize = 1 << PAGE_BITS;

/// Series with neighbouring local numbers.
pub(super) type Page = Vec<Option<Series>>;

/// Series by local number. Pages keep a growing shard from copying itself and from holding twice the memory.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    pages: Vec<Page>,
    free: Vec<u32>,
    by_hash: HashTable<u32>,
    /// Local numbers of the series entered since they were asked for last.
    entered: Vec<u32>,
}

impl Shard {
    pub(crate) fn get(&self, local: u32) -> Option<&Series> {
        self.pages.get((local >> PAGE_BITS) as usize)?.get(local as usize & (PAGE - 1))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, local: u32) -> Option<&mut Series> {
        self.pages.get_mut((local >> PAGE_BITS) as usize)?.get_mut(local as usize & (PAGE - 1))?.as_mut()
    }

    /// The series with this hash that `is_it` accepts.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(&Series) -> bool) -> Option<u32> {
        let found = |local: &u32| self.get(*local).is_some_and(|s| s.hash == hash && is_it(s));
        self.by_hash.find(hash, found).copied()
    }

    /// The local number that the next series will get.
    pub(crate) fn next_local(&self) -> u32 {
        self.free.last().copied().unwrap_or_else(|| self.end())
    }

    /// All local numbers are below this one.
    pub(crate) fn end(&self) -> u32 {
        let end = match self.pages.last() {
            Some(page) => (self.pages.len() - 1) * PAGE + page.len(),
            None => 0,
        };
        end as u32
    }

    /// Makes room for series that are about to be entered.
    pub(super) fn reserve(&mut self, count: usize) {
        let pages = &self.pages;
        self.by_hash.reserve(count, |local| hash_at(pages, *local));
    }

    pub(super) fn pages_mut(&mut self) -> &mut [Page] {
        &mut self.pages
    }

    /// Enters a series under [`Shard::next_local`].
    pub(crate) fn insert(&mut self, series: Series) -> u32 {
        let local = self.next_local();
        let hash = series.hash;
        match self.free.pop() {
            Some(_) => self.pages[(local >> PAGE_BITS) as usize][local as usize & (PAGE - 1)] = Some(series),
            None => {
                if local as usize == self.pages.len() * PAGE {
                    self.pages.push(Vec::with_capacity(PAGE));
                }
                let page = self.pages.last_mut().expect("a page was added where there was none");
                page.push(Some(series));
            }
        }
        let pages = &self.pages;
        self.by_hash.insert_unique(hash, local, |local| hash_at(pages, *local));
        self.entered.push(local);
        local
    }

    /// The series entered since the last call.
    pub(crate) fn take_entered(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.entered)
    }

    /// Makes a series impossible to find by its labels; it stays in its place.
    pub(crate) fn retire(&mut self, local: u32) -> Option<&mut Series> {
        let hash = self.get(local)?.hash;
        if let Ok(found) = self.by_hash.find_entry(hash, |l| *l == local) {
            found.remove();
        }
        let series = self.get_mut(local)?;
        series.is_retired = true;
        Some(series)
    }

    /// Takes a retired series out of its place.
    pub(crate) fn remove(&mut self, local: u32) -> Option<Series> {
        let entry = self.pages.get_mut((local >> PAGE_BITS) as usize)?.get_mut(local as usize & (PAGE - 1))?;
        let series = entry.take()?;
        self.free.push(local);
        Some(series)
    }

    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The series of one page with their local numbers.
    pub(crate) fn page_mut(&mut self, page: usize) -> impl Iterator<Item = (u32, &mut Series)> {
        let entries = self.pages.get_mut(page).into_iter().flatten().enumerate();
        entries.filter_map(move |(i, entry)| Some(((page * PAGE + i) as u32, entry.as_mut()?)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Series)> {
        let entries = self.pages.iter().flatten().enumerate();
        // Every page but the last is full, so counting through is the local number.
        entries.filter_map(|(i, entry)| Some((i as u32, entry.as_ref()?)))
    }
}

fn hash_at(pages: &[Page], local: u32) -> u64 {
    pages[(local >> PAGE_BITS) as usize][local as usize & (PAGE - 1)].as_ref().map_or(0, |series| series.hash)
}
