//! Reading the records of a start, a file at a time and by several threads: definitions first, then samples, then the rest.
//!
//! Each record is defined by one thread; the labels of its series are interned at once. Samples are scanned, sorted by the
//! series' place and then restored, a stretch of series by one thread: see [`scan`]. What belongs to one series keeps its
//! order.

mod ids;
mod scan;
mod share;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::{SampleBuffer, Tenant};
use parking_lot::Mutex;

use crate::bytes::{Damaged, Reader};
use crate::head::{Head, Stretch};
use crate::record::{self, Definitions};
use ids::IdMap;
use scan::{Content, Location, Place, Rest, Run, Scanned};
use share::share;

/// Bytes of records that a thread takes at a time.
const TASK_BYTES: usize = 1 << 16;
/// Runs that may be noted before they are restored; 64 bytes each.
const MOST_RUNS: usize = 400_000;

/// What the logs say.
pub(crate) struct Replayed {
    pub(crate) heads: BTreeMap<Tenant, Arc<Head>>,
    pub(crate) highest_id: u64,
    /// Samples of known series.
    pub(crate) samples: u64,
    /// Samples whose series was never defined.
    pub(crate) orphaned: u64,
}

/// The replay of a store's logs.
pub(crate) struct Replay<'m> {
    make: &'m dyn Fn(&Tenant) -> Arc<Head>,
    threads: usize,
    exemplar_capacity: usize,
    numbers: BTreeMap<Tenant, usize>,
    heads: Vec<Arc<Head>>,
    /// Where each series stands.
    ids: IdMap,
    highest_id: u64,
    samples: u64,
    orphaned: u64,
    definitions: u64,
}

/// A record of which something is still to be read.
#[derive(Clone, Copy)]
struct Open<'a> {
    /// Its number among the records that came together.
    number: usize,
    head: usize,
    reader: Reader<'a>,
}

impl<'m> Replay<'m> {
    /// Nothing read yet; `make` makes an empty head for a tenant.
    pub(crate) fn new(threads: usize, make: &'m dyn Fn(&Tenant) -> Arc<Head>, exemplar_capacity: usize) -> Self {
        Replay {
            make,
            threads,
            exemplar_capacity,
            numbers: BTreeMap::new(),
            heads: Vec::new(),
            ids: IdMap::default(),
            highest_id: 0,
            samples: 0,
            orphaned: 0,
            definitions: 0,
        }
    }

    /// Definitions in the head's own file.
    pub(crate) fn definitions(&self) -> u64 {
        self.definitions
    }

    /// Takes the records of a file; answers the numbers of those that cannot be read.
    pub(crate) fn records(&mut self, payloads: &[&[u8]], is_headlog: bool) -> Vec<usize> {
        let mut failed = Vec::new();
        let mut open = Vec::with_capacity(payloads.len());
        let mut last = ("", 0);
        for (number, payload) in payloads.iter().enumerate() {
            match self.begin(payload, &mut last) {
                Ok((head, entries)) => open.push(Open { number, head, reader: Reader(entries) }),
                Err(damage) => failed.push((number, damage)),
            }
        }
        let open = self.define(&open, is_headlog, &mut failed);
        let tasks = tasks(&open);
        let mut begun = 0;
        while begun < tasks.len() {
            begun += self.restore(&tasks[begun..], is_headlog, &mut failed);
        }
        for (_, error) in &failed {
            tracing::error!(%error, "a record of the log cannot be read");
        }
        failed.into_iter().map(|(number, _)| number).collect()
    }

    /// The head that a record belongs to, and its entries. `last` is the tenant of the record before, and its head.
    fn begin<'a>(&mut self, payload: &'a [u8], last: &mut (&'a str, usize)) -> Result<(usize, &'a [u8]), Damaged> {
        let (name, entries) = record::tenant(payload)?;
        if name != last.0 || name.is_empty() {
            let tenant = Tenant::new(name).map_err(|_| Damaged("no tenant has this name"))?;
            let number = *self.numbers.entry(tenant).or_insert_with_key(|tenant| {
                self.heads.push((self.make)(tenant));
                self.heads.len() - 1
            });
            *last = (name, number);
        }
        Ok((last.1, entries))
    }

    /// Enters the series that the records define; answers the records with what follows.
    fn define<'a>(&mut self, open: &[Open<'a>], is_headlog: bool, failed: &mut Vec<(usize, Damaged)>) -> Vec<Open<'a>> {
        let mut expected = vec![0; self.heads.len()];
        open.iter().for_each(|record| expected[record.head] += Definitions::count(record.reader.0));
        self.heads.iter().zip(expected).for_each(|(head, count)| head.reserve(count));
        let heads = &self.heads;
        let ids = Mutex::new(std::mem::take(&mut self.ids));
        let tasks = tasks(open);
        let defined = share(
            self.threads,
            tasks.len(),
            || true,
            |task| {
                let mut definitions = Definitions::default();
                let (mut count, mut highest_id) = (0, 0);
                let mut slots = Vec::new();
                let read = |record: &Open<'a>| {
                    let mut reader = record.reader;
                    let result = definitions.read(&mut reader);
                    if definitions.is_empty() {
                        return result.map(|()| *record).map_err(|damage| (record.number, damage));
                    }
                    heads[record.head].restore_series(&definitions, task, &mut slots);
                    let located = definitions.iter().zip(&slots).map(|((series, _), slot)| {
                        count += 1;
                        highest_id = highest_id.max(series.id);
                        (series.id, Location { head: record.head, slot: *slot }.pack())
                    });
                    ids.lock().extend(located);
                    result.map(|()| Open { reader, ..*record }).map_err(|damage| (record.number, damage))
                };
                let results: Vec<_> = tasks[task].iter().map(read).collect();
                (results, count, highest_id)
            },
        );
        self.ids = ids.into_inner();
        let mut left = Vec::with_capacity(open.len());
        for (results, count, highest_id) in defined {
            self.definitions += if is_headlog { count } else { 0 };
            self.highest_id = self.highest_id.max(highest_id);
            for result in results {
                match result {
                    Ok(record) if record.reader.is_empty() => {}
                    Ok(record) => left.push(record),
                    Err(failure) => failed.push(failure),
                }
            }
        }
        left
    }

    /// Restores samples, exemplars and metadata from tasks of records; answers how many tasks are done, at least one.
    fn restore(&mut self, tasks: &[&[Open<'_>]], is_headlog: bool, failed: &mut Vec<(usize, Damaged)>) -> usize {
        let stretch_bits: Vec<u32> = self.heads.iter().map(|head| head.stretch_bits()).collect();
        let noted = AtomicUsize::new(0);
        let goes_on = || noted.load(Ordering::Relaxed) < MOST_RUNS;
        let scanned = share(self.threads, tasks.len(), goes_on, |task| {
            let mut scanned = Scanned::default();
            let mut failed = Vec::new();
            for record in tasks[task] {
                if let Err(damage) = scanned.add(record.head, record.reader, &self.ids, &stretch_bits) {
                    failed.push((record.number, damage));
                }
            }
            noted.fetch_add(scanned.runs.len(), Ordering::Relaxed);
            (scanned, failed)
        });
        let done = scanned.len();
        // In the order of the log within a place.
        let mut runs: BTreeMap<Place, Vec<Run<'_>>> = BTreeMap::new();
        let mut rest = Vec::new();
        for (scanned, failures) in scanned {
            for run in scanned.runs {
                runs.entry(run.place).or_default().push(run);
            }
            rest.extend(scanned.rest);
            self.orphaned += scanned.orphaned;
            self.highest_id = self.highest_id.max(scanned.highest_id);
            failed.extend(failures);
        }
        self.restore_samples(&runs);
        rest.into_iter().for_each(|rest| self.restore_rest(rest, is_headlog));
        done
    }

    fn restore_samples(&mut self, runs: &BTreeMap<Place, Vec<Run<'_>>>) {
        let mut shards: Vec<_> = self.heads.iter().map(|head| head.lock_shards()).collect();
        let mut stretches: Vec<Vec<Stretch<'_>>> =
            shards.iter_mut().zip(&self.heads).map(|(shards, head)| head.stretches(shards)).collect();
        // From the back, so that taking one moves no other.
        let mut work: Vec<_> = runs
            .iter()
            .rev()
            .map(|(Place { head, stretch }, runs)| {
                let stretches = &mut stretches[*head];
                stretches.truncate(*stretch as usize + 1);
                let stretch = stretches.pop().expect("a place is a stretch that the head has");
                Mutex::new(Some((*head, stretch, runs)))
            })
            .collect();
        work.reverse();
        let (ids, heads) = (&self.ids, &self.heads);
        let restored = share(
            self.threads,
            work.len(),
            || true,
            |task| match work[task].lock().take() {
                Some((head, mut stretch, runs)) => {
                    let before = stretch.weight();
                    let restored = restore_runs(&mut stretch, runs, ids);
                    heads[head].account(stretch.weight() - before);
                    restored
                }
                None => 0,
            },
        );
        self.samples += restored.into_iter().sum::<u64>();
    }

    fn restore_rest(&self, rest: Rest<'_>, is_headlog: bool) {
        let Rest { head, tag, count, entries: mut reader } = rest;
        let mut ids = self.ids.lookup();
        let mut id = 0;
        for _ in 0..count {
            if tag == record::METADATA {
                let Ok((family, metadata)) = record::metadata(&mut reader) else { return };
                self.heads[head].set_metadata(family, &metadata, is_headlog);
                continue;
            }
            let Ok((id, exemplar)) = record::exemplar(&mut reader, &mut id) else { return };
            if let (Some(packed), Some(time)) = (ids.get(id), exemplar.timestamp) {
                let Location { head, slot } = Location::unpack(packed);
                self.heads[head].restore_exemplar((id, slot), exemplar, time.ms(), self.exemplar_capacity, is_headlog);
            }
        }
    }

    /// Enters all series into the index.
    pub(crate) fn finish(self) -> Replayed {
        self.heads.iter().for_each(|head| head.fill_index(self.threads));
        Replayed {
            heads: self.heads.into_iter().map(|head| (head.tenant.clone(), head)).collect(),
            highest_id: self.highest_id,
            samples: self.samples,
            orphaned: self.orphaned,
        }
    }
}

/// Parts of a list that take a thread about equally long.
fn tasks<'r, 'a>(mut records: &'r [Open<'a>]) -> Vec<&'r [Open<'a>]> {
    let mut tasks = Vec::new();
    while !records.is_empty() {
        let mut bytes = 0;
        let begins_next = records.iter().position(|record| {
            let is_full = bytes >= TASK_BYTES;
            bytes += record.reader.0.len();
            is_full
        });
        let (task, others) = records.split_at(begins_next.unwrap_or(records.len()));
        tasks.push(task);
        records = others;
    }
    tasks
}

/// Appends samples to the series of a stretch; answers how many.
fn restore_runs(stretch: &mut Stretch<'_>, runs: &[Run<'_>], ids: &IdMap) -> u64 {
    let mut ids = ids.lookup();
    let mut buffer = SampleBuffer::default();
    let mut restored = 0;
    for run in runs {
        match run.content {
            Content::Floats(mut floats, count) => {
                for _ in 0..count {
                    // The scan has read and found all of them.
                    let Ok((id, time, bits)) = floats.read() else { break };
                    let slot = ids.get(id).map(|packed| Location::unpack(packed).slot);
                    if let Some(series) = slot.and_then(|slot| stretch.series(slot)) {
                        series.append_float(time, bits, i64::MAX);
                        restored += 1;
                    }
                }
            }
            Content::Samples(slot, bytes) => {
                let (Some(series), Ok(samples)) = (stretch.series(slot), record::samples(bytes, &mut buffer)) else {
                    continue;
                };
                for sample in samples {
                    series.append(&sample, i64::MAX);
                    restored += 1;
                }
            }
        }
    }
    restored
}
