//! The memory account of a query and its figures of samples read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::Reservation;

use crate::engine::QueryError;

/// What one sample counts in bytes.
const SAMPLE_BYTES: usize = 16;

/// Samples held in memory, with the limit and the highest level seen; and the bytes that they and the labels of their series
/// take of what all queries share.
#[derive(Debug)]
pub(crate) struct Account {
    current: AtomicUsize,
    peak: AtomicUsize,
    max: usize,
    /// Bytes of series besides their samples.
    series_bytes: AtomicUsize,
    reservation: Arc<Reservation>,
}

/// How full an account is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) samples: usize,
    pub(crate) series_bytes: usize,
}

impl Account {
    pub(crate) fn new(max: usize, reservation: Arc<Reservation>) -> Self {
        Account {
            current: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            max,
            series_bytes: AtomicUsize::new(0),
            reservation,
        }
    }

    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Bytes that the query has taken.
    pub(crate) fn bytes(&self) -> usize {
        self.reservation.bytes()
    }

    pub(crate) fn level(&self) -> Level {
        Level { samples: self.current(), series_bytes: self.series_bytes.load(Ordering::Relaxed) }
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// What the query has of the memory of all queries, to be kept for as long as its answer.
    pub(crate) fn into_reservation(self) -> Arc<Reservation> {
        self.reservation
    }

    /// Takes room for samples.
    pub(crate) fn take(&self, samples: usize) -> Result<(), QueryError> {
        let now = self.current.fetch_add(samples, Ordering::Relaxed) + samples;
        self.peak.fetch_max(now, Ordering::Relaxed);
        let reserved = self.reservation.take(samples.saturating_mul(SAMPLE_BYTES));
        if now > self.max { Err(QueryError::TooManySamples) } else { Ok(reserved?) }
    }

    /// Gives room back.
    pub(crate) fn release(&self, samples: usize) {
        self.current.fetch_sub(samples, Ordering::Relaxed);
        self.reservation.release(samples.saturating_mul(SAMPLE_BYTES));
    }

    /// Takes room for series, without their samples.
    pub(crate) fn take_series(&self, bytes: usize) -> Result<(), QueryError> {
        self.series_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(self.reservation.take(bytes)?)
    }

    /// Where others take memory in the query's name.
    pub(crate) fn reservation(&self) -> &Arc<Reservation> {
        &self.reservation
    }

    /// Gives that room back; more than was taken since a level is not given.
    pub(crate) fn release_series(&self, bytes: usize, since: Level) {
        let held = self.series_bytes.load(Ordering::Relaxed).saturating_sub(since.series_bytes);
        let bytes = bytes.min(held);
        self.series_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.reservation.release(bytes);
    }

    /// Sets the level once a node is done and its operands are gone.
    pub(crate) fn settle(&self, level: Level) -> Result<(), QueryError> {
        let samples = self.current.swap(level.samples, Ordering::Relaxed);
        let series_bytes = self.series_bytes.swap(level.series_bytes, Ordering::Relaxed);
        self.peak.fetch_max(level.samples, Ordering::Relaxed);
        let bytes = |samples: usize, series_bytes: usize| samples.saturating_mul(SAMPLE_BYTES) + series_bytes;
        let (before, now) = (bytes(samples, series_bytes), bytes(level.samples, level.series_bytes));
        self.reservation.release(before.saturating_sub(now));
        let reserved = self.reservation.take(now.saturating_sub(before));
        if level.samples > self.max { Err(QueryError::TooManySamples) } else { Ok(reserved?) }
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

    /// Counts samples seen and read anew by each of the first steps.
    pub(crate) fn add(&mut self, seen: &[u64], new: &[u64]) {
        add_all(&mut self.total, seen);
        add_all(&mut self.read, new);
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
        self.add(&other.total, &other.read);
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
