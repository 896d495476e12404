//! How far a query has come, for those who watch it while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Figures of one query; clones share them. They grow in steps of many series, so that counting costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    series: AtomicU64,
    samples: AtomicU64,
    memory: AtomicU64,
    peak_memory: AtomicU64,
}

impl Progress {
    /// Series read so far; a series that two selectors read counts twice.
    pub fn series(&self) -> u64 {
        self.0.series.load(Ordering::Relaxed)
    }

    /// Samples read so far, with the meaning of [`QueryStats::samples_read`](super::QueryStats::samples_read).
    pub fn samples(&self) -> u64 {
        self.0.samples.load(Ordering::Relaxed)
    }

    /// Bytes of samples and intermediate results at the moment, as the account counts them.
    pub fn memory_bytes(&self) -> u64 {
        self.0.memory.load(Ordering::Relaxed)
    }

    /// The most that [`Progress::memory_bytes`] has been.
    pub fn peak_memory_bytes(&self) -> u64 {
        self.0.peak_memory.load(Ordering::Relaxed)
    }

    pub(crate) fn read(&self, series: usize, samples: u64) {
        self.0.series.fetch_add(series as u64, Ordering::Relaxed);
        self.0.samples.fetch_add(samples, Ordering::Relaxed);
    }

    pub(crate) fn hold(&self, bytes: usize) {
        self.0.memory.store(bytes as u64, Ordering::Relaxed);
        self.0.peak_memory.fetch_max(bytes as u64, Ordering::Relaxed);
    }
}
