//! One file of a bucket, read piece by piece.

use std::io;
use std::sync::Arc;

use super::Bucket;
use super::cache::{Claim, Lookup};
use crate::disk::ReadFile;

/// Most bytes fetched by one request.
const MOST_AT_ONCE: u64 = 8 << 20;

/// A file whose length is known.
pub(super) struct RemoteFile {
    bucket: Arc<Bucket>,
    name: Arc<str>,
    length: u64,
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteFile").field("name", &self.name).field("length", &self.length).finish_non_exhaustive()
    }
}

impl RemoteFile {
    pub(super) fn new(bucket: Arc<Bucket>, name: &str, length: u64) -> Self {
        RemoteFile { bucket, name: Arc::from(name), length }
    }

    /// Fetches the claimed pieces and keeps them; answers the bytes and where they start.
    fn fetch(&self, claim: &Claim<'_>) -> io::Result<(u64, bytes::Bytes)> {
        let piece = self.bucket.options.piece_bytes;
        let start = claim.first() * piece;
        let end = ((claim.last() + 1) * piece).min(self.length);
        let bytes = self.bucket.fetch(&self.name, start..end)?;
        self.bucket.cache.fill(&self.name, self.length, start, &bytes);
        Ok((start, bytes))
    }
}

impl ReadFile for RemoteFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.length);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !self.bucket.cache.is_on() {
            buffer.copy_from_slice(&self.bucket.fetch(&self.name, offset..end)?);
            return Ok(());
        }
        let piece = self.bucket.options.piece_bytes;
        let most_pieces = (MOST_AT_ONCE / piece).max(1);
        let mut at = offset;
        while at < end {
            let index = at / piece;
            let last = ((end - 1) / piece).min(index + most_pieces - 1);
            let stop = end.min((index + 1) * piece);
            let here = &mut buffer[(at - offset) as usize..(stop - offset) as usize];
            match self.bucket.cache.look_up(&self.name, self.length, index, at - index * piece, here, last) {
                Lookup::Hit => at = stop,
                Lookup::Fetch(claim) => {
                    let (start, bytes) = self.fetch(&claim)?;
                    drop(claim);
                    let stop = end.min(start + bytes.len() as u64);
                    let fetched = &bytes[(at - start) as usize..(stop - start) as usize];
                    buffer[(at - offset) as usize..(stop - offset) as usize].copy_from_slice(fetched);
                    at = stop;
                }
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}
