//! Reading a log back after a stop of any kind.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::WalError;
use super::frame::{HEADER, HeaderState, Piece, Pieces, read_header};
use crate::disk::Disk;

/// What was found in a log's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalRecovery {
    /// Segments read.
    pub segments: u64,
    /// Good records.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes cut from the end of a segment: the rest of a write that was never acknowledged.
    pub torn_bytes: u64,
    /// Damaged places that were skipped.
    pub damaged_records: u64,
    /// Bytes of those places.
    pub damaged_bytes: u64,
    /// Files renamed to `.quarantine`.
    pub quarantined: Vec<String>,
    /// Segments from `keep_from` on that others come after, and that are not there.
    pub missing: Vec<u64>,
    /// Number of the segment that comes next.
    pub next_segment: u64,
    /// Number of the last one that holds something.
    pub last_segment: Option<u64>,
}

const SUFFIX: &str = ".wal";
const QUARANTINE: &str = ".quarantine";

pub(super) fn segment_name(number: u64) -> String {
    format!("{number:010}{SUFFIX}")
}

pub(super) fn segment_number(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

/// Reads all segments from `keep_from` on; answers what was found and the bytes that remain on disk.
pub(super) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    keep_from: u64,
    visit: &mut dyn FnMut(&[&[u8]]) -> Vec<usize>,
) -> Result<(WalRecovery, u64), WalError> {
    let fail = |action| move |source| WalError::Io { action, path: dir.display().to_string(), source };
    disk.create_dir_all(dir).map_err(fail("create"))?;
    let names = disk.list(dir).map_err(fail("list"))?;
    let known: BTreeSet<u64> =
        names.iter().filter_map(|n| segment_number(n.strip_suffix(QUARANTINE).unwrap_or(n))).collect();
    let highest = known.last().copied();
    let mut recovery = WalRecovery { next_segment: highest.unwrap_or(0).max(keep_from) + 1, ..WalRecovery::default() };
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment_number(n)).collect();
    numbers.sort_unstable();
    let last = numbers.last().copied();
    let mut disk_bytes = 0;
    for number in numbers {
        let path = dir.join(segment_name(number));
        if number < keep_from {
            // Flushed before; the removal was cut short.
            if let Err(error) = disk.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "a log segment that is no longer needed cannot be removed");
            }
            continue;
        }
        match read_segment(disk, &path, last == Some(number), &mut recovery, visit) {
            Ok(None) => {}
            Ok(Some(Kept { bytes, back })) => {
                disk_bytes += bytes;
                // One without a record may be the rest of a beginning that failed, and be gone after a crash.
                if bytes > HEADER as u64 {
                    recovery.last_segment = Some(number);
                }
                let before = number.checked_sub(back.into()).filter(|before| *before < number);
                recovery.missing.extend(before.filter(|before| *before >= keep_from && !known.contains(before)));
            }
            Err(error) => {
                recovery.last_segment = Some(number);
                tracing::error!(path = %path.display(), %error, "log segment set aside");
                quarantine(disk, &path, &mut recovery);
            }
        }
    }
    Ok((recovery, disk_bytes))
}

/// What stays of a segment.
struct Kept {
    bytes: u64,
    /// How far back the segment before it is; 0 where that is not known.
    back: u16,
}

/// `None` where nothing of the segment stays.
fn read_segment(
    disk: &dyn Disk,
    path: &Path,
    is_last: bool,
    recovery: &mut WalRecovery,
    visit: &mut dyn FnMut(&[&[u8]]) -> Vec<usize>,
) -> io::Result<Option<Kept>> {
    let bytes = disk.read(path)?;
    let mut back = 0;
    match read_header(&bytes) {
        HeaderState::Good(distance) => back = distance,
        HeaderState::Short => {
            // Nothing can have been acknowledged in a segment whose header was not written.
            recovery.torn_bytes += bytes.len() as u64;
            disk.remove(path)?;
            return Ok(None);
        }
        HeaderState::Foreign(version) => {
            return Err(io::Error::other(format!("it has format version {version}, which this program cannot read")));
        }
        HeaderState::Damaged => {
            recovery.damaged_records += 1;
            recovery.damaged_bytes += HEADER as u64;
        }
    }
    recovery.segments += 1;
    recovery.bytes += bytes.len() as u64;
    let mut good_until = bytes.len();
    let mut payloads = Vec::new();
    for piece in Pieces::new(&bytes[HEADER..]) {
        match piece {
            Piece::Record(payload) => payloads.push(payload),
            Piece::Damage { bytes } => {
                recovery.damaged_records += 1;
                recovery.damaged_bytes += bytes as u64;
            }
            Piece::Tail { bytes: tail, cut } if cut || is_last => {
                recovery.torn_bytes += tail as u64;
                good_until -= tail;
            }
            Piece::Tail { bytes: tail, .. } => {
                recovery.damaged_records += 1;
                recovery.damaged_bytes += tail as u64;
            }
        }
    }
    recovery.records += payloads.len() as u64;
    for number in visit(&payloads) {
        recovery.records -= 1;
        recovery.damaged_records += 1;
        recovery.damaged_bytes += payloads[number].len() as u64;
    }
    if good_until < bytes.len() {
        disk.truncate(path, good_until as u64)?;
    }
    Ok(Some(Kept { bytes: good_until as u64, back }))
}

fn quarantine(disk: &dyn Disk, path: &Path, recovery: &mut WalRecovery) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(QUARANTINE);
    match disk.rename(path, Path::new(&aside)) {
        Ok(()) => recovery.quarantined.push(aside.to_string_lossy().into_owned()),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "log segment cannot be set aside");
            recovery.quarantined.push(path.display().to_string());
        }
    }
}
