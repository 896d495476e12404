//! Reading the records of a start: one thread decodes them and hands series and samples, by shard, to threads that restore them.
//!
//! What belongs to one shard goes through one thread and keeps its order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use model::Tenant;

use crate::block::SeriesHash;
use crate::bytes::Damaged;
use crate::head::{Batch, Definition, Head, IdMap, Pair, Symbol};
use crate::record::{self, Entry};

/// Entries that are handed over at a time; in memory they fit a core's own cache.
const BATCH: usize = 1024;
/// Batches that may wait for a thread.
const WAITING: usize = 16;
const SHARD_BITS: u32 = 8;

/// What the logs say.
pub(crate) struct Replayed {
    pub(crate) heads: BTreeMap<Tenant, Arc<Head>>,
    pub(crate) highest_id: u64,
    /// Samples of known series.
    pub(crate) samples: u64,
    /// Samples whose series was never defined.
    pub(crate) orphaned: u64,
}

struct Work {
    head: Arc<Head>,
    shard: usize,
    batch: Batch,
}

/// What a thread knows in the end.
#[derive(Default)]
struct Restored {
    locals: IdMap,
    /// Labels of series that were known already. Their symbols are released last, when no record refers to them.
    known_before: Vec<(Arc<Head>, Box<[Pair]>)>,
    samples: u64,
}

struct Known {
    head: Arc<Head>,
    pending: Vec<Batch>,
}

/// The replay of a store's logs.
pub(crate) struct Replay<'s, 'm> {
    make: &'m dyn Fn(&Tenant) -> Arc<Head>,
    exemplar_capacity: usize,
    numbers: BTreeMap<Tenant, usize>,
    heads: Vec<Known>,
    /// Number of the head and the shard of each series.
    routes: IdMap,
    threads: Vec<(SyncSender<Work>, ScopedJoinHandle<'s, Restored>)>,
    /// Symbols of the record's texts, as far as they were looked up.
    symbols: Vec<Option<Symbol>>,
    highest_id: u64,
    orphaned: u64,
    definitions: u64,
    scratch: String,
}

impl<'s, 'm> Replay<'s, 'm> {
    /// Starts the threads; `make` makes an empty head for a tenant.
    pub(crate) fn new<'e>(
        scope: &'s Scope<'s, 'e>,
        threads: usize,
        make: &'m dyn Fn(&Tenant) -> Arc<Head>,
        exemplar_capacity: usize,
    ) -> Self {
        let start = |_| {
            let (sender, receiver) = sync_channel(WAITING);
            (sender, scope.spawn(move || restore(receiver)))
        };
        Replay {
            make,
            exemplar_capacity,
            numbers: BTreeMap::new(),
            heads: Vec::new(),
            routes: IdMap::default(),
            threads: (0..threads).map(start).collect(),
            symbols: Vec::new(),
            highest_id: 0,
            orphaned: 0,
            definitions: 0,
            scratch: String::new(),
        }
    }

    /// Definitions in the head's own file.
    pub(crate) fn definitions(&self) -> u64 {
        self.definitions
    }

    /// Takes a record; answers false where it cannot be read.
    pub(crate) fn record(&mut self, payload: &[u8], is_headlog: bool) -> bool {
        let result = self.try_record(payload, is_headlog);
        if let Err(error) = &result {
            tracing::error!(%error, "a record of the log cannot be read");
        }
        result.is_ok()
    }

    fn try_record(&mut self, payload: &[u8], is_headlog: bool) -> Result<(), Damaged> {
        let (tenant, entries) = record::tenant(payload)?;
        let tenant = Tenant::new(tenant).map_err(|_| Damaged("no tenant has this name"))?;
        let number = self.number(&tenant);
        self.symbols.clear();
        record::decode(entries, &mut |entry| self.entry(number, entry, is_headlog))
    }

    fn number(&mut self, tenant: &Tenant) -> usize {
        if let Some(number) = self.numbers.get(tenant) {
            return *number;
        }
        let head = (self.make)(tenant);
        let pending = head.shards.iter().map(|_| Batch::default()).collect();
        self.heads.push(Known { head, pending });
        self.numbers.insert(tenant.clone(), self.heads.len() - 1);
        self.heads.len() - 1
    }

    fn entry(&mut self, number: usize, entry: Entry<'_>, is_headlog: bool) {
        match entry {
            Entry::Series(series) => {
                self.highest_id = self.highest_id.max(series.id);
                self.definitions += u64::from(is_headlog);
                if self.routes.get(series.id).is_none() {
                    self.define(number, &series, is_headlog);
                }
            }
            Entry::Sample(id, sample) => {
                self.highest_id = self.highest_id.max(id);
                let Some(route) = self.routes.get(id) else {
                    self.orphaned += 1;
                    return;
                };
                let (number, shard) = split(route);
                let batch = &mut self.heads[number].pending[shard];
                batch.samples.push((id, sample));
                if batch.len() >= BATCH {
                    self.hand_over(number, shard);
                }
            }
            Entry::Exemplar(id, exemplar) => {
                if let (Some(route), Some(time)) = (self.routes.get(id), exemplar.timestamp) {
                    let head = &self.heads[split(route).0].head;
                    head.restore_exemplar(id, exemplar, time.ms(), self.exemplar_capacity, is_headlog);
                }
            }
            Entry::Metadata(family, metadata) => {
                self.heads[number].head.set_metadata(family, &metadata, is_headlog);
            }
        }
    }

    fn define(&mut self, number: usize, series: &record::Definition<'_>, is_headlog: bool) {
        let identity = SeriesHash::of_sorted(series.pairs(), &mut self.scratch);
        self.symbols.resize(series.texts.len(), None);
        let symbols = &mut self.symbols;
        let Known { head, pending } = &mut self.heads[number];
        let mut symbol = |text: u32, is_name| {
            let known = &mut symbols[text as usize];
            *known.get_or_insert_with(|| head.intern(series.texts[text as usize], is_name))
        };
        let pairs: Box<[Pair]> =
            series.labels.iter().map(|l| Pair { name: symbol(l.0, true), value: symbol(l.1, false) }).collect();
        head.index.write().retain(&pairs);
        let shard = head.shard_of(identity);
        self.routes.insert(series.id, (number as u64) << SHARD_BITS | shard as u64);
        let batch = &mut pending[shard];
        batch.definitions.push(Definition { id: series.id, identity, pairs, is_headlog });
        if batch.len() >= BATCH {
            self.hand_over(number, shard);
        }
    }

    fn hand_over(&mut self, number: usize, shard: usize) {
        let Known { head, pending } = &mut self.heads[number];
        let batch = std::mem::take(&mut pending[shard]);
        let work = Work { head: head.clone(), shard, batch };
        let sent = self.threads[shard % self.threads.len()].0.send(work);
        sent.expect("a thread receives until the sender is dropped");
    }

    /// Hands over the rest, waits for the threads and enters all series into the index.
    pub(crate) fn finish(mut self) -> Replayed {
        for number in 0..self.heads.len() {
            for shard in 0..self.heads[number].pending.len() {
                self.hand_over(number, shard);
            }
        }
        let threads = self.threads.len();
        let running: Vec<_> = self.threads.into_iter().map(|(sender, thread)| (drop(sender), thread).1).collect();
        let wait = |thread: ScopedJoinHandle<'_, Restored>| thread.join().expect("restoring series does not panic");
        let mut restored: Vec<Restored> = running.into_iter().map(wait).collect();
        for (head, pairs) in restored.iter_mut().flat_map(|r| std::mem::take(&mut r.known_before)) {
            head.index.write().release(&pairs);
        }
        for known in &self.heads {
            known.head.place_exemplars(|id| {
                let shard = split(self.routes.get(id)?).1;
                let local = restored[shard % threads].locals.get(id)?;
                Some(known.head.slot(shard, local as u32))
            });
            known.head.fill_index(threads);
        }
        Replayed {
            heads: self.heads.into_iter().map(|known| (known.head.tenant.clone(), known.head)).collect(),
            highest_id: self.highest_id,
            samples: restored.iter().map(|r| r.samples).sum(),
            orphaned: self.orphaned,
        }
    }
}

fn split(route: u64) -> (usize, usize) {
    ((route >> SHARD_BITS) as usize, (route & ((1 << SHARD_BITS) - 1)) as usize)
}

fn restore(work: Receiver<Work>) -> Restored {
    let mut restored = Restored::default();
    for Work { head, shard, batch } in work {
        let known_before = &mut restored.known_before;
        restored.samples += head.restore(shard, batch, &mut restored.locals, &mut |pairs| {
            known_before.push((head.clone(), pairs));
        });
    }
    restored
}
