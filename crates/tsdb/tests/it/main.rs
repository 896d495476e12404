//! Blocks that Prometheus wrote, whole and damaged.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

mod damage;
mod peer;
mod real;

use std::path::{Path, PathBuf};

use tsdb::{Block, Piece, TsdbError, find_blocks};

/// A directory of the test data.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// All pieces of all blocks below a directory.
fn read_all(dir: &Path) -> Result<Vec<Piece>, TsdbError> {
    let mut pieces = Vec::new();
    for dir in find_blocks(dir)? {
        for piece in Block::open(&dir)?.series()? {
            pieces.push(piece?);
        }
    }
    Ok(pieces)
}
