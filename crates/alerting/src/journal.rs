//! The state on disk: a snapshot, and a log of every change since.
//!
//! ```text
//! alerting/state.json   {"version":1,"from":N,"state":{...}}     the state before segment N of the log
//! alerting/wal/         records: {"at":ms,"changes":[...]}       a record is applied wholly or not at all
//! ```
//!
//! A snapshot is put in place at once and before the segments that it covers are removed, so a kill at any point leaves one of the
//! two states.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocks::disk::Disk;
use blocks::wal::{Commit, Record, SyncMode, Wal, WalOptions, WalRecovery};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use crate::error::AlertingError;
use crate::state::{Change, State};

const VERSION: u32 = 1;
/// A log of at least so many bytes is replaced by a snapshot; a larger one where the snapshot is larger.
const LOG_BYTES: u64 = 8 << 20;

#[derive(Serialize)]
struct SnapshotOut<'a> {
    version: u32,
    from: u64,
    state: &'a State,
}

#[derive(Deserialize)]
struct SnapshotIn {
    version: u32,
    from: u64,
    state: State,
}

#[derive(Serialize)]
struct RecordOut<'a> {
    at: Timestamp,
    changes: &'a [Change],
}

#[derive(Deserialize)]
struct RecordIn {
    at: Timestamp,
    changes: Vec<Change>,
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    snapshot: PathBuf,
    wal: Wal,
    snapshot_bytes: u64,
    /// A write failed: only a snapshot makes the disk hold everything again.
    is_behind: bool,
}

impl Journal {
    /// Opens the journal in a directory and reads the state back. A damaged snapshot is put aside; what the log holds still counts.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Journal, State, WalRecovery), AlertingError> {
        let failed = |action, path: &Path, reason: String| AlertingError::State {
            action,
            path: path.display().to_string(),
            reason,
        };
        disk.create_dir_all(dir).map_err(|e| failed("create", dir, e.to_string()))?;
        let snapshot = dir.join("state.json");
        let (mut state, mut from, mut snapshot_bytes) = (State::default(), 0, 0);
        if let Ok(bytes) = disk.read(&snapshot) {
            snapshot_bytes = bytes.len() as u64;
            match serde_json::from_slice::<SnapshotIn>(&bytes) {
                Ok(read) if read.version == VERSION => (state, from) = (read.state, read.from),
                Ok(read) => {
                    let reason = format!("it has format version {}, which this program cannot read", read.version);
                    return Err(failed("read", &snapshot, reason));
                }
                Err(reason) => {
                    let aside = snapshot.with_extension("json.quarantine");
                    error!(path = %snapshot.display(), %reason, "the snapshot of the alerting state is damaged and set aside");
                    disk.rename(&snapshot, &aside).map_err(|e| failed("set aside", &snapshot, e.to_string()))?;
                }
            }
        }
        let options = WalOptions { sync: SyncMode::Always, segment_bytes: 4 << 20, queue_bytes: 64 << 20 };
        let mut visit = |records: &[&[u8]]| {
            let mut unreadable = Vec::new();
            for (number, record) in records.iter().enumerate() {
                match serde_json::from_slice::<RecordIn>(record) {
                    Ok(record) => record.changes.iter().for_each(|change| state.apply(change, record.at)),
                    Err(_) => unreadable.push(number),
                }
            }
            unreadable
        };
        let (wal, recovery) = Wal::open(disk.clone(), &dir.join("wal"), options, from, &mut visit)
            .map_err(|e| failed("open the log of", dir, e.to_string()))?;
        Ok((Journal { disk, snapshot, wal, snapshot_bytes, is_behind: false }, state, recovery))
    }

    /// Queues changes; the answer says when they are on disk.
    pub(crate) fn append(&mut self, changes: &[Change], at: Timestamp) -> Option<Commit> {
        if changes.is_empty() {
            return None;
        }
        let mut record = Record::new();
        if let Err(error) = serde_json::to_writer(record.payload(), &RecordOut { at, changes }) {
            error!(%error, "a change of the alerting state cannot be written");
            self.is_behind = true;
            return None;
        }
        // No record rests on an earlier one.
        match self.wal.submit_alone(record.seal()) {
            Ok(commit) => Some(commit),
            Err(reason) => {
                warn!(%reason, "the log of the alerting state does not keep up");
                self.is_behind = true;
                None
            }
        }
    }

    /// A group of records could not be written.
    pub(crate) fn fell_behind(&mut self) {
        self.is_behind = true;
    }

    /// True where a snapshot is due.
    pub(crate) fn wants_snapshot(&self) -> bool {
        let log = self.wal.counters().disk_bytes.load(std::sync::atomic::Ordering::Relaxed);
        self.is_behind || log > LOG_BYTES.max(2 * self.snapshot_bytes)
    }

    /// Writes a snapshot and shortens the log. Blocks.
    pub(crate) fn snapshot(&mut self, state: &State) -> Result<(), AlertingError> {
        let failed =
            |action, reason: String| AlertingError::State { action, path: self.snapshot.display().to_string(), reason };
        let from = self.wal.roll().map_err(|e| failed("end the log for", e.to_string()))?;
        let bytes = serde_json::to_vec(&SnapshotOut { version: VERSION, from, state })
            .map_err(|e| failed("encode", e.to_string()))?;
        self.disk.replace(&self.snapshot, &bytes).map_err(|e| failed("write", e.to_string()))?;
        self.snapshot_bytes = bytes.len() as u64;
        self.is_behind = false;
        if let Err(error) = self.wal.remove_below(from) {
            warn!(%error, "old segments of the alerting log cannot be removed");
        }
        Ok(())
    }

    /// Writes what waits and stops.
    pub(crate) fn close(&self) {
        self.wal.close();
    }
}
