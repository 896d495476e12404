//! The memory that all queries share, and what one of them has taken of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::QueryError;

/// The memory of all queries, in bytes as they are counted: 16 for a sample, and the labels of series.
#[derive(Debug)]
pub struct QueryMemory {
    used: AtomicUsize,
    limit: usize,
    limit_of_one: usize,
}

impl QueryMemory {
    /// All queries together may take `limit` bytes, one of them `limit_of_one`.
    pub fn new(limit: usize, limit_of_one: usize) -> Arc<Self> {
        Arc::new(QueryMemory { used: AtomicUsize::new(0), limit, limit_of_one: limit_of_one.min(limit) })
    }

    /// No limit but the one of samples.
    pub fn unlimited() -> Arc<Self> {
        QueryMemory::new(usize::MAX, usize::MAX)
    }

    /// Bytes that running queries and their unfinished answers hold.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that all of them may hold.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn open(self: &Arc<Self>) -> Reservation {
        Reservation { memory: self.clone(), bytes: AtomicUsize::new(0) }
    }
}

/// What one query has of the memory of all; given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    memory: Arc<QueryMemory>,
    bytes: AtomicUsize,
}

impl Reservation {
    /// Takes more; counted even where it answers an error, because the caller has it until it gives up.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), QueryError> {
        if bytes == 0 {
            return Ok(());
        }
        let own = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.memory.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if own > self.memory.limit_of_one {
            return Err(QueryError::TooManyBytes { limit: self.memory.limit_of_one });
        }
        if all > self.memory.limit { Err(QueryError::OutOfMemory) } else { Ok(()) }
    }

    /// Bytes taken and not given back.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.memory.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}
