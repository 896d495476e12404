//! `tombstones`: ranges of time of series that count as deleted.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use model::TimeRange;

use crate::bytes::Bytes;
use crate::error::TsdbError;
use crate::window::read_whole;

const MAGIC: u32 = 0x0130_BA30;
const MAX_BYTES: u64 = 1 << 30;
/// Magic and version.
const HEADER: usize = 5;
const CRC: usize = 4;

/// Deleted ranges by number of the series.
pub(crate) type Tombstones = HashMap<u64, Vec<TimeRange>>;

/// Reads the file; none is as good as an empty one.
pub(crate) fn read(path: &Path) -> Result<Tombstones, TsdbError> {
    let bytes = match read_whole(path, MAX_BYTES) {
        Err(TsdbError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        read => read?,
    };
    let damaged = |offset: usize, reason: &str| TsdbError::damaged(path, offset as u64, reason);
    if bytes.len() < HEADER + CRC {
        return Err(damaged(0, "too short for tombstones"));
    }
    let (content, checksum) = bytes.split_at(bytes.len() - CRC);
    if content[..4] != MAGIC.to_be_bytes() {
        return Err(damaged(0, "this is not a file of tombstones"));
    }
    if content[4] != 1 {
        let reason = format!("version {} of tombstones is not known here, only 1", content[4]);
        return Err(TsdbError::Unsupported { path: path.to_owned(), reason });
    }
    let stones = &content[HEADER..];
    if crc32c::crc32c(stones).to_be_bytes() != checksum {
        return Err(damaged(HEADER, "the checksum of the tombstones does not match"));
    }
    let mut found = Tombstones::new();
    let mut rest = Bytes::new(stones);
    while rest.len() > 0 {
        let offset = HEADER + stones.len() - rest.len();
        let stone = (|| Ok((rest.uvarint()?, rest.varint()?, rest.varint()?)))();
        let (series, start, end) = stone.map_err(|_: crate::bytes::Short| damaged(offset, "a tombstone is cut off"))?;
        found.entry(series).or_default().push(TimeRange::new(start, end));
    }
    Ok(found)
}
