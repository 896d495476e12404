//! A block: series of one tenant and one span of time with their labels and samples, in one immutable Parquet file.
//!
//! A row is a slice of one series: its labels (a column each), the hash of the label set, and its samples as a few binary
//! payloads. Rows are sorted by [`order`], so a metric is a run of neighbouring rows and the label columns are mostly runs.
//! Readers take single pages by the offset index and check each page against the checksums of [`check`] first.
//!
//! ```text
//! rows -> group (one row group in memory) -> columns (pages) -> file
//! file -> layout (where pages lie) -> page -> labels, numbers, payloads -> reader, cursor
//! ```

mod aggregates;
mod cache;
mod check;
mod codes;
mod columns;
mod cursor;
mod exemplars;
mod find;
mod group;
mod labels;
mod layout;
mod listing;
pub(crate) mod order;
mod page;
mod payload;
mod reader;
mod recent;
mod rest;
mod samples;
mod schema;
#[cfg(test)]
mod tests;
mod touched;
mod writer;

pub(crate) use blocks::catalogue::BlockEntry;
pub(crate) use cache::Caches;
pub(crate) use cursor::{Cursor, CursorRow};
pub(crate) use layout::read_entry;
pub(crate) use listing::GroupRanges;
pub(crate) use reader::Block;
pub(crate) use writer::{BlockWriter, WriterOptions};

use model::Labels;

/// The version of the file format that this program writes.
pub(crate) const FORMAT: u32 = 1;

/// The identity of a series across head and blocks: xxh3-128 of its encoded label set. Stable for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeriesHash(pub(crate) u128);

impl SeriesHash {
    /// The hash of a label set.
    pub(crate) fn of(labels: &Labels) -> Self {
        SeriesHash(labels.hash128())
    }

    /// The hash of labels that are sorted by name, unique and without empty values; `scratch` spares an allocation.
    pub(crate) fn of_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, scratch: &mut String) -> Self {
        SeriesHash(Labels::hash128_of_sorted(pairs, scratch))
    }
}
