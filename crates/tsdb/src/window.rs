//! A file that is read forwards in pieces of bounded size; jumps are allowed but cost a read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::TsdbError;

/// Bytes read ahead.
const AHEAD: u64 = 256 << 10;

/// A file with the piece of it that was read last.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) path: PathBuf,
    file: File,
    pub(crate) length: u64,
    start: u64,
    piece: Vec<u8>,
}

impl Window {
    pub(crate) fn open(path: &Path) -> Result<Self, TsdbError> {
        let file = File::open(path).map_err(TsdbError::io(path))?;
        let length = file.metadata().map_err(TsdbError::io(path))?.len();
        Ok(Window { path: path.to_owned(), file, length, start: 0, piece: Vec::new() })
    }

    pub(crate) fn damaged(&self, offset: u64, reason: impl Into<String>) -> TsdbError {
        TsdbError::damaged(&self.path, offset, reason)
    }

    /// Bytes of the file; `what` they are is for the error where the file ends before.
    pub(crate) fn get(&mut self, offset: u64, length: u64, what: &str) -> Result<&[u8], TsdbError> {
        let end = offset.checked_add(length).filter(|end| *end <= self.length);
        let Some(end) = end else {
            return Err(self.damaged(offset, format!("{what} of {length} bytes does not fit into the file")));
        };
        if offset < self.start || end > self.start + self.piece.len() as u64 {
            let wanted = length.max(AHEAD).min(self.length - offset);
            self.piece.resize(wanted as usize, 0);
            self.start = offset;
            if let Err(source) = self.file.read_exact_at(&mut self.piece, offset) {
                self.piece.clear();
                return Err(TsdbError::Io { path: self.path.clone(), source });
            }
        }
        let at = (offset - self.start) as usize;
        Ok(&self.piece[at..at + length as usize])
    }

    /// As many bytes from here on as there are, at most `length`.
    pub(crate) fn up_to(&mut self, offset: u64, length: u64) -> Result<&[u8], TsdbError> {
        let there = self.length.saturating_sub(offset).min(length);
        self.get(offset, there, "what follows")
    }
}

/// Reads a whole file of at most `most` bytes.
pub(crate) fn read_whole(path: &Path, most: u64) -> Result<Vec<u8>, TsdbError> {
    let length = std::fs::metadata(path).map_err(TsdbError::io(path))?.len();
    if length > most {
        let source =
            io::Error::new(io::ErrorKind::FileTooLarge, format!("{length} bytes, at most {most} are expected"));
        return Err(TsdbError::Io { path: path.to_owned(), source });
    }
    std::fs::read(path).map_err(TsdbError::io(path))
}
