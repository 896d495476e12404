//! What the blocks of a store keep in one cache: pages, label columns, decoded times.

use std::sync::atomic::{AtomicU64, Ordering};

use blocks::cache::{Cache, CacheKey};

/// The cache that all blocks of a store share.
pub(crate) type Caches = Cache<Key>;

/// What a cached value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A column of texts or numbers, decoded whole.
    Column,
    /// The dictionary of a payload column.
    Dictionary,
    /// A page of payloads, hashes or codes.
    Page,
    /// The decoded times of one entry of a dictionary.
    Times,
}

static BLOCKS: AtomicU64 = AtomicU64::new(0);

/// A number for a block that is being opened, unique within the process: threads remember the last times by it, whichever
/// cache they came from.
pub(crate) fn next_block() -> u64 {
    BLOCKS.fetch_add(1, Ordering::Relaxed)
}

/// Where a cached value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Number of the open block, unique within the process.
    pub(crate) block: u64,
    /// Row group.
    pub(crate) group: u32,
    /// Column.
    pub(crate) column: u32,
    /// Page or dictionary entry.
    pub(crate) item: u32,
    /// What it is.
    pub(crate) kind: Kind,
}

impl CacheKey for Key {
    fn spread(&self) -> u64 {
        (self.block << 40 ^ u64::from(self.group) << 24 ^ u64::from(self.column) << 12 ^ u64::from(self.item))
            .wrapping_add(self.kind as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
