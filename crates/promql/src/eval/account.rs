//! The memory account of a query and its figures of samples read.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::QueryError;

/// What one sample counts in bytes.
const SAMPLE_BYTES: usize = 16;

/// Samples held in memory, with the limit and the highest level seen.
#[derive(Debug)]
pub(crate) struct Account {
    current: AtomicUsize,
    peak: AtomicUsize,
    max: usize,
}

impl Account {
    pub(crate) fn new(max: usize) -> Self {
        Account { current: AtomicUsize::new(0), peak: AtomicUsize::new(0), max }
    }

    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// What the samples take.
    pub(crate) fn bytes(&self) -> usize {
        self.current().saturating_mul(SAMPLE_BYTES)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Takes room for samples.
    pub(crate) fn take(&self, samples: usize) -> Result<(), QueryError> {
        let now = self.current.fetch_add(samples, Ordering::Relaxed) + samples;
        self.peak.fetch_max(now, Ordering::Relaxed);
        if now > self.max { Err(QueryError::TooManySamples) } else { Ok(()) }
    }

    /// Gives room back.
    pub(crate) fn release(&self, samples: usize) {
        self.current.fetch_sub(samples, Ordering::Relaxed);
    }

    /// Sets the level once a node is done and its operands are gone.
    pub(crate) fn settle(&self, samples: usize) -> Result<(), QueryError> {
        self.current.store(samples, Ordering::Relaxed);
        self.peak.fetch_max(samples, Ordering::Relaxed);
        if samples > self.max { Err(QueryError::TooManySamples) } else { Ok(()) }
    }
}

/// Samples by step: seen by the step, and read anew for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SampleStats {
    /// A range window counts wholly at every step.
    pub(crate) total: Vec<u64>,
    /// A range window counts only what the step before did not have.
    pub(crate) read: Vec<u64>,
    /// Samples read that stand for others that were downsampled away, and the longest of their buckets in milliseconds.
    pub(crate) downsampled: (u64, i64),
}

impl SampleStats {
    pub(crate) fn new(steps: usize) -> Self {
        SampleStats { total: vec![0; steps], read: vec![0; steps], downsampled: (0, 0) }
    }

    /// Counts samples that a step both sees and reads.
    pub(crate) fn count(&mut self, step: usize, samples: u64) {
        self.total[step] += samples;
        self.read[step] += samples;
    }

    /// Counts what a buffer holds of downsampled data.
    pub(crate) fn note_downsampled(&mut self, buffer: &model::SampleBuffer) {
        let longest = buffer.aggregates.iter().map(|(_, a)| a.span_ms).max().unwrap_or(0);
        self.add_downsampled((buffer.aggregates.len() as u64, longest));
    }

    /// Takes over what another part of the query read of downsampled data.
    pub(crate) fn add_downsampled(&mut self, (samples, longest): (u64, i64)) {
        self.downsampled = (self.downsampled.0 + samples, self.downsampled.1.max(longest));
    }

    pub(crate) fn merge(&mut self, other: &SampleStats) {
        self.add_downsampled(other.downsampled);
        add_all(&mut self.total, &other.total);
        add_all(&mut self.read, &other.read);
    }

    /// Takes over the figures of a part that was evaluated once for all steps.
    pub(crate) fn repeat(&mut self, once: &SampleStats) {
        self.add_downsampled(once.downsampled);
        let total: u64 = once.total.iter().sum();
        self.total.iter_mut().for_each(|t| *t += total);
        if let Some(first) = self.read.first_mut() {
            *first += once.read.iter().sum::<u64>();
        }
    }
}

fn add_all(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}
