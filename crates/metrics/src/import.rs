//! Puts samples of any age straight into blocks, past the head and the log.
//!
//! Samples are gathered up to a budget of memory, then written as sorted blocks, one for each of the widest windows that
//! they fall into. The blocks count from [`Importer::finish`] on, all at once; an importer that is dropped before leaves
//! nothing behind. Compaction puts them together with their neighbours later.
//!
//! Where the store already has a sample of the same series and time, that one wins: of two blocks the one written first
//! counts, and an import is written last, behind what is in memory. Within an import the sample that was added first wins.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use blocks::plan::PlanOptions;
use hashbrown::HashMap;
use model::{FloatHistogram, Labels, METRIC_NAME, Metadata, SampleBuffer, Tenant, TimeRange};

use crate::block::{BlockEntry, SeriesHash, WriterOptions, order};
use crate::head::PART_SUFFIXES;
use crate::{Store, StoreError, merge};

/// Memory that is gathered before it is written, in bytes.
const BUDGET: usize = 128 << 20;
/// What a series takes beside its labels and samples, roughly.
const SERIES_BYTES: usize = 256;
const SAMPLE_BYTES: usize = 16;

/// Takes series in any order, with samples in any order.
#[derive(Debug)]
pub struct Importer {
    store: Arc<Store>,
    tenant: Tenant,
    budget: usize,
    weight: usize,
    series: HashMap<Labels, SampleBuffer>,
    families: HashMap<String, Metadata>,
    /// Finished blocks that do not count yet.
    written: Vec<BlockEntry>,
}

impl Importer {
    /// Begins an import.
    pub fn new(store: &Arc<Store>, tenant: Tenant) -> Self {
        Importer {
            store: store.clone(),
            tenant,
            budget: BUDGET,
            weight: 0,
            series: HashMap::new(),
            families: HashMap::new(),
            written: Vec::new(),
        }
    }

    /// Sets how many bytes of samples may be gathered in memory; about twice as much is in use while they are written.
    #[must_use]
    pub fn with_budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Says what a metric family is; holds for the samples that are written from now on.
    pub fn set_metadata(&mut self, family: &str, metadata: Metadata) {
        self.families.insert(family.to_owned(), metadata);
    }

    /// Adds samples of a series. Times need not be in order, neither among themselves nor after those added before.
    ///
    /// # Errors
    /// Where a block cannot be written; the import is then best dropped.
    pub fn add(&mut self, labels: &Labels, samples: &SampleBuffer) -> Result<(), StoreError> {
        let histograms = samples.histograms.iter().map(|(_, h)| h.accounted_bytes() + size_of::<FloatHistogram>());
        self.weight += SAMPLE_BYTES * samples.len() + histograms.sum::<usize>();
        let into = match self.series.get_mut(labels) {
            Some(into) => into,
            None => {
                self.weight += labels.encoded_len() + SERIES_BYTES;
                self.series.entry(labels.clone()).or_default()
            }
        };
        (0..samples.len()).for_each(|row| into.push_row(samples, row));
        if self.weight < self.budget {
            return Ok(());
        }
        self.write()
    }

    /// Writes what is left and makes all blocks count. Answers them.
    ///
    /// # Errors
    /// Where a block cannot be written, the head cannot be flushed, or the catalogue cannot be changed; then nothing was
    /// imported.
    pub fn finish(mut self) -> Result<Vec<BlockEntry>, StoreError> {
        self.write()?;
        match std::mem::take(&mut self.written) {
            written if written.is_empty() => Ok(written),
            written => self.store.flush_and_commit(written),
        }
    }

    /// Writes what was gathered.
    fn write(&mut self) -> Result<(), StoreError> {
        self.weight = 0;
        let mut series: Vec<(Labels, SampleBuffer)> = std::mem::take(&mut self.series).into_iter().collect();
        series.sort_unstable_by(|(a, _), (b, _)| order::compare_labels(a, b));
        let plan = PlanOptions::default();
        let widest = plan.windows_ms.len() as u8;
        let mut windows = BTreeSet::new();
        for (_, samples) in &mut series {
            merge::normalise(samples, 0);
            windows.extend(samples.timestamps.iter().map(|t| plan.window(widest, *t).start.ms()));
        }
        let names = label_names(&series);
        for start in windows {
            let written = self.write_window(&series, plan.window(widest, start), &names);
            let entry = written.map_err(|error| self.store.failure("write an imported block to", error))?;
            self.written.push(entry);
        }
        Ok(())
    }

    fn write_window(
        &self,
        series: &[(Labels, SampleBuffer)],
        window: TimeRange,
        names: &[String],
    ) -> io::Result<BlockEntry> {
        let shelf = self.store.shelf();
        // What the log holds is no business of an import.
        let wal_from = shelf.view().manifest.wal_from;
        let options = WriterOptions { label_names: names.to_vec(), wal_from };
        let (mut writer, entry) = crate::shelf::create(shelf, &self.tenant, 0, self.store.now(), options)?;
        let mut slice = SampleBuffer::default();
        for (labels, samples) in series {
            let rows = samples.rows_in(window);
            if rows.is_empty() {
                continue;
            }
            slice.clear();
            rows.for_each(|row| slice.push_row(samples, row));
            let pairs: Vec<(&str, &str)> = order::pairs(labels).collect();
            let metadata = self.metadata_of(labels.metric_name());
            if let Err(error) = writer.add(SeriesHash::of(labels), &pairs, metadata, &slice, &[]) {
                writer.abandon();
                return Err(error);
            }
        }
        let unfinished = entry.clone();
        writer.finish(entry).inspect_err(|_| shelf.discard(&[unfinished]))
    }

    fn metadata_of(&self, metric: &str) -> Option<&Metadata> {
        let family = |name: &str| self.families.get(name);
        family(metric).or_else(|| PART_SUFFIXES.iter().find_map(|suffix| family(metric.strip_suffix(suffix)?)))
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        self.store.shelf().discard(&self.written);
    }
}

/// Names of labels, those that most series have first.
fn label_names(series: &[(Labels, SampleBuffer)]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (labels, _) in series {
        labels.iter().filter(|l| l.name != METRIC_NAME).for_each(|l| *counts.entry(l.name).or_default() += 1);
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.1));
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}
