//! Reads the blocks that Prometheus writes (its TSDB on disk), so that their samples can move elsewhere.
//!
//! [`find_blocks`] lists the block directories below a data directory, [`Block::open`] opens one, and [`Block::series`]
//! walks over its series in the order of the index. Formats: `tsdb/docs/format/*.md` of Prometheus. Index version 2 and
//! chunk encodings 1 to 3 (floats, histograms, float histograms) are read; everything that is read is checked against its
//! CRC first, and nothing is allocated that the length of a file does not bear out.
//!
//! It knows no store: what becomes of the samples is the caller's business. It reads neither the write-ahead log nor
//! the head's own chunks; a snapshot (`/api/v1/admin/tsdb/snapshot`) puts these into blocks.

mod bits;
mod block;
mod bytes;
mod chunk;
mod error;
mod histogram;
mod index;
mod meta;
mod tombstones;
mod window;

pub use block::{Block, Piece, Series, find_blocks};
pub use error::TsdbError;
pub use meta::Meta;
