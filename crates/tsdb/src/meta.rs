//! `meta.json`: what a block says of itself.

use std::path::Path;

use serde::Deserialize;

use crate::error::TsdbError;
use crate::window::read_whole;

/// A meta file is some hundred bytes, with a few dozen for each block that it was made of.
const MAX_BYTES: u64 = 16 << 20;

/// What a block says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Name of the block and of its directory.
    pub ulid: String,
    /// Time of the first sample, milliseconds.
    pub min_time: i64,
    /// End of the block's range, milliseconds, not included.
    pub max_time: i64,
    /// Version of the layout of the directory.
    pub version: u32,
    /// What is in the block.
    #[serde(default)]
    pub stats: Stats,
}

/// What is in a block, as its writer counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    /// Series.
    pub num_series: u64,
    /// Samples.
    pub num_samples: u64,
    /// Chunks.
    pub num_chunks: u64,
}

pub(crate) fn read(path: &Path) -> Result<Meta, TsdbError> {
    let bytes = read_whole(path, MAX_BYTES)?;
    let meta: Meta = serde_json::from_slice(&bytes).map_err(|error| {
        let lines_before = bytes.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1));
        let offset = lines_before.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
        TsdbError::damaged(path, offset as u64, error.to_string())
    })?;
    if meta.version != 1 {
        let reason = format!("version {} of block directories is not known here, only 1", meta.version);
        return Err(TsdbError::Unsupported { path: path.to_owned(), reason });
    }
    Ok(meta)
}
