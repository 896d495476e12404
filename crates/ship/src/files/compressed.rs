//! Files that rest compressed: `.gz`, `.bz2`, `.zst`. They are read once from beginning to end; the offset counts unpacked bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::tail::MOST_LINE;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gzip,
    Bzip2,
    Zstd,
}

/// The state of reading such a file.
pub(super) struct Compressed {
    kind: Kind,
    /// Unpacked bytes that were read at an earlier time.
    skip: u64,
    reader: Option<Box<dyn Read + Send>>,
    /// Unpacked bytes that are not used yet.
    ahead: Vec<u8>,
    is_done: bool,
}

impl std::fmt::Debug for Compressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressed").field("kind", &self.kind).field("is_done", &self.is_done).finish_non_exhaustive()
    }
}

impl Compressed {
    /// By the name of the file.
    pub(super) fn detect(path: &Path, skip: u64) -> Option<Self> {
        let kind = match path.extension()?.to_str()? {
            "gz" => Kind::Gzip,
            "bz2" => Kind::Bzip2,
            "zst" => Kind::Zstd,
            _ => return None,
        };
        Some(Compressed { kind, skip, reader: None, ahead: Vec::new(), is_done: false })
    }

    /// True where all of it was read.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Begins at the offset again: after an error, when the file has grown.
    pub(super) fn begin_again(&mut self, offset: u64) {
        *self = Compressed { kind: self.kind, skip: offset, reader: None, ahead: Vec::new(), is_done: false };
    }

    /// The unpacked text from the offset on.
    pub(super) fn open(&self, file: &File) -> io::Result<Box<dyn Read + Send>> {
        use std::io::Seek;
        let mut file = file.try_clone()?;
        file.rewind()?;
        let buffered = io::BufReader::with_capacity(64 << 10, file);
        let mut reader: Box<dyn Read + Send> = match self.kind {
            Kind::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
            Kind::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)),
            Kind::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?),
        };
        io::copy(&mut (&mut reader).take(self.skip), &mut io::sink())?;
        Ok(reader)
    }

    /// Puts unpacked bytes into `buffer` and answers how many of them are whole lines; 0 at the end.
    pub(super) fn fill(&mut self, file: &File, buffer: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        if self.is_done {
            return Ok(0);
        }
        if self.reader.is_none() {
            self.reader = Some(self.open(file)?);
        }
        let Some(reader) = &mut self.reader else { return Ok(0) };
        let mut at_end = false;
        loop {
            let has_line = memchr::memrchr(b'\n', &self.ahead);
            if at_end || self.ahead.len() >= MOST_LINE || (has_line.is_some() && self.ahead.len() >= limit) {
                buffer.clear();
                buffer.extend_from_slice(&self.ahead);
                self.is_done = at_end && self.ahead.is_empty();
                return Ok(match has_line {
                    Some(at) => at + 1,
                    None => self.ahead.len(),
                });
            }
            let from = self.ahead.len();
            self.ahead.resize(from + limit.max(4096), 0);
            let read = reader.read(&mut self.ahead[from..]);
            self.ahead.truncate(from + *read.as_ref().unwrap_or(&0));
            at_end = read? == 0;
        }
    }

    /// So many bytes of what [`Compressed::fill`] gave were used.
    pub(super) fn used(&mut self, count: usize) {
        self.ahead.drain(..count);
    }
}
