//! A block: pages of the streams of one tenant in one span of time, in one immutable Parquet file.
//!
//! A row is a page: labels of its stream, first and last time, counts, the page and its filter. Rows are sorted by labels, then by
//! time. Our own readers use none of Parquet: an index in front of the footer, where others see nothing, says where
//! everything lies, and has a checksum as everything else.
//!
//! ```text
//! "PAR1" | pages of Parquet | index (zstd) | its length u32 | its unpacked length u32 | crc32 u32 | "AFLX" | footer
//! ```

mod index;
mod reader;
mod schema;
mod sink;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use index::Row;
pub(crate) use reader::{Block, BlockPage};
pub(crate) use writer::{BlockWriter, frequent_names};

/// The version of the file format that this program writes.
pub(crate) const FORMAT: u32 = 1;
