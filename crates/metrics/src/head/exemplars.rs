//! A bounded store of exemplars: the newest stay, the oldest go.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};
use model::{Labels, TimeRange, Timestamp};

#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The series and where it stood in the head.
    pub(crate) id: u64,
    pub(crate) slot: u32,
    pub(crate) time: i64,
    pub(crate) value: f64,
    pub(crate) labels: Labels,
    /// The log's epoch in which it was written; 0 where that was before the start.
    pub(crate) logged_epoch: u32,
    /// A block has it.
    pub(crate) is_in_block: bool,
}

/// What became of an exemplar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is new.
    New,
    /// It is known, but the log may have lost it and must be told again.
    Unlogged,
    /// It is known, or older than what is known: a scrape shows the same exemplar again and again.
    Known,
}

#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    by_series: HashMap<u64, VecDeque<Stored>>,
    /// Series ids in the order in which their exemplars came.
    order: VecDeque<u64>,
    /// Those that came since the last flush.
    unflushed: VecDeque<Stored>,
    /// How many have left that list so far.
    flushed: u64,
}

impl Exemplars {
    /// Keeps an exemplar that is newer than the series' last one.
    pub(crate) fn push(&mut self, exemplar: Stored, capacity: usize, is_headlog: bool) -> Pushed {
        if capacity == 0 {
            return Pushed::Known;
        }
        let id = exemplar.id;
        let list = self.by_series.entry(id).or_default();
        if list.back().is_some_and(|last| last.time >= exemplar.time || same(last, &exemplar)) {
            return match list.iter_mut().rev().find(|known| same(known, &exemplar)) {
                Some(known) if known.logged_epoch < exemplar.logged_epoch => {
                    known.logged_epoch = exemplar.logged_epoch;
                    Pushed::Unlogged
                }
                _ => Pushed::Known,
            };
        }
        list.push_back(exemplar.clone());
        self.order.push_back(id);
        if !is_headlog {
            self.unflushed.push_back(exemplar);
            if self.unflushed.len() > capacity {
                self.unflushed.pop_front();
                self.flushed += 1;
            }
        }
        while self.order.len() > capacity {
            self.pop_oldest();
        }
        Pushed::New
    }

    /// A record with this exemplar was not queued.
    pub(crate) fn was_not_logged(&mut self, id: u64, time: i64) {
        let known = self.by_series.get_mut(&id).into_iter().flatten().rev();
        known.filter(|e| e.time == time).for_each(|e| e.logged_epoch = 0);
    }

    fn pop_oldest(&mut self) {
        let Some(id) = self.order.pop_front() else { return };
        if let Some(list) = self.by_series.get_mut(&id) {
            list.pop_front();
            if list.is_empty() {
                self.by_series.remove(&id);
            }
        }
    }

    /// Drops those for which `is_gone` answers true.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&Stored) -> bool) {
        let mut gone: HashMap<u64, usize> = HashMap::new();
        self.by_series.retain(|id, list| {
            let before = list.len();
            list.retain(|exemplar| !is_gone(exemplar));
            if list.len() < before {
                gone.insert(*id, before - list.len());
            }
            !list.is_empty()
        });
        self.order.retain(|id| match gone.get_mut(id).filter(|left| **left > 0) {
            Some(left) => {
                *left -= 1;
                false
            }
            None => true,
        });
        let before = self.unflushed.len();
        self.unflushed.retain(|exemplar| !is_gone(exemplar));
        self.flushed += (before - self.unflushed.len()) as u64;
    }

    /// Exemplars within a range, series by series, oldest first.
    pub(crate) fn select(&self, range: TimeRange) -> Vec<Vec<Stored>> {
        let within = |list: &VecDeque<Stored>| -> Vec<Stored> {
            list.iter().filter(|e| range.contains(Timestamp(e.time))).cloned().collect()
        };
        self.by_series.values().map(within).filter(|list| !list.is_empty()).collect()
    }

    /// What came since the last flush, in the order of arrival, and a number to end it with.
    pub(crate) fn unflushed(&self) -> (Vec<Stored>, u64) {
        (self.unflushed.iter().cloned().collect(), self.flushed + self.unflushed.len() as u64)
    }

    /// What no block has, for the head's own file.
    pub(crate) fn only_here(&self) -> Vec<Stored> {
        self.by_series.values().flatten().filter(|e| !e.is_in_block).cloned().collect()
    }

    /// The series of [`Exemplars::only_here`].
    pub(crate) fn series_only_here(&self) -> HashSet<u64> {
        let has_some = |list: &VecDeque<Stored>| list.iter().any(|e| !e.is_in_block);
        self.by_series.iter().filter(|(_, list)| has_some(list)).map(|(id, _)| *id).collect()
    }

    /// Ends the list that [`Exemplars::unflushed`] gave with this number. Blocks have those of the series that `is_in_block`
    /// accepts.
    pub(crate) fn are_flushed(&mut self, end: u64, is_in_block: impl Fn(u64) -> bool) {
        while self.flushed < end
            && let Some(exemplar) = self.unflushed.pop_front()
        {
            self.flushed += 1;
            if is_in_block(exemplar.id) {
                let known = self.by_series.get_mut(&exemplar.id).into_iter().flatten();
                known.filter(|e| e.time == exemplar.time).for_each(|e| e.is_in_block = true);
            }
        }
    }
}

fn same(a: &Stored, b: &Stored) -> bool {
    a.value.to_bits() == b.value.to_bits() && a.labels == b.labels
}
