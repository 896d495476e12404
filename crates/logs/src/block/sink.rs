//! The file under construction: counts what is written, and holds back its end so that the index can be put in.

use std::io;

use blocks::disk::WriteFile;

const BUFFER: usize = 1 << 18;

/// Where a Parquet writer writes to.
pub(super) struct Sink {
    file: Box<dyn WriteFile>,
    buffer: Vec<u8>,
    pub(super) written: u64,
    /// Set: what is written is collected here and not written.
    pub(super) end: Option<Vec<u8>>,
}

impl Sink {
    pub(super) fn new(file: Box<dyn WriteFile>) -> Self {
        Sink { file, buffer: Vec::new(), written: 0, end: None }
    }

    /// Writes what waits and makes all of it durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.spill()?;
        self.file.sync()
    }

    fn spill(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(end) = &mut self.end {
            end.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.buffer.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        if self.buffer.len() >= BUFFER {
            self.spill()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
