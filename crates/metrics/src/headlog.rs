//! The head's own file: the series that the head knows, metadata, and exemplars that no block holds.
//!
//! It has the records of the log and grows with every flush. Where it holds twice what the head holds, it is written anew.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocks::disk::{Disk, WriteFile};
use blocks::wal::{Piece, Pieces};

/// Its name.
pub(crate) const FILE: &str = "head.log";
/// Definitions that may be superfluous before the file is written anew.
const SLACK: u64 = 10_000;

/// The open file.
pub(crate) struct HeadLog {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Box<dyn WriteFile>>,
    length: u64,
    definitions: u64,
    /// The end of the file cannot be trusted: a write failed, in this process or maybe in the one before. What a failed sync
    /// leaves can be read until the machine stops, and later syncs do not save it.
    is_doubtful: bool,
}

impl std::fmt::Debug for HeadLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeadLog").field("path", &self.path).field("length", &self.length).finish_non_exhaustive()
    }
}

/// What reading the file has found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadLogRecovery {
    pub(crate) torn_bytes: u64,
    pub(crate) damaged_records: u64,
    pub(crate) damaged_bytes: u64,
}

impl HeadLog {
    /// Reads the file and hands all good records to `visit`, which answers the numbers of those that it cannot read.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        visit: &mut dyn FnMut(&[&[u8]]) -> Vec<usize>,
    ) -> (HeadLog, HeadLogRecovery) {
        let path = dir.join(FILE);
        // What a rewriting that was cut short has left; mostly nothing.
        let _ = disk.remove(&path.with_extension("tmp"));
        let bytes = disk.read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(path = %path.display(), %error, "the head's series cannot be read");
            }
            Vec::new()
        });
        let mut recovery = HeadLogRecovery::default();
        let mut length = bytes.len();
        let mut payloads = Vec::new();
        for piece in Pieces::new(&bytes) {
            match piece {
                Piece::Record(payload) => payloads.push(payload),
                Piece::Damage { bytes } => {
                    recovery.damaged_records += 1;
                    recovery.damaged_bytes += bytes as u64;
                }
                Piece::Tail { bytes, cut } => {
                    length -= bytes;
                    recovery.torn_bytes += bytes as u64;
                    if !cut {
                        recovery.damaged_records += 1;
                        recovery.damaged_bytes += bytes as u64;
                    }
                }
            }
        }
        for number in visit(&payloads) {
            recovery.damaged_records += 1;
            recovery.damaged_bytes += payloads[number].len() as u64;
        }
        if length < bytes.len()
            && let Err(error) = disk.truncate(&path, length as u64)
        {
            tracing::warn!(path = %path.display(), %error, "the torn end of the head's series cannot be cut");
        }
        (HeadLog { disk, path, file: None, length: length as u64, definitions: 0, is_doubtful: length > 0 }, recovery)
    }

    /// Says how many definitions the file holds.
    pub(crate) fn set_definitions(&mut self, count: u64) {
        self.definitions = count;
    }

    /// True where appending will not do: the last write failed, or none was made since the start. Until the file is written
    /// anew, the log still holds all that may be missing here.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// True where the file holds many definitions of series that are gone.
    pub(crate) fn is_bloated(&self, series: u64) -> bool {
        self.definitions > 2 * series + SLACK
    }

    /// Appends records durably.
    pub(crate) fn append(&mut self, records: &[u8], definitions: u64) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let result = self.try_append(records);
        self.is_doubtful = result.is_err();
        if result.is_err() {
            self.file = None;
        } else {
            self.length += records.len() as u64;
            self.definitions += definitions;
        }
        result
    }

    fn try_append(&mut self, records: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.disk.append(&self.path)?);
            self.path.parent().map_or(Ok(()), |dir| self.disk.sync_dir(dir))?;
        }
        let file = self.file.as_mut().expect("the file was opened above");
        file.write_all(records)?;
        file.sync()
    }

    /// Puts other records in the place of the file.
    pub(crate) fn rewrite(&mut self, records: &[u8], definitions: u64) -> io::Result<()> {
        self.file = None;
        self.disk.replace(&self.path, records)?;
        self.length = records.len() as u64;
        self.definitions = definitions;
        self.is_doubtful = false;
        Ok(())
    }
}
