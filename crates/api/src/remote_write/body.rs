//! From the HTTP body to the bytes of the message: read within a memory account, checked, decompressed into used buffers.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use thiserror::Error;

/// Largest body and largest decompressed message, in bytes (Prometheus' `decodeReadLimit`).
pub(super) const MAX_BYTES: usize = 32 << 20;
/// Buffers that are kept for the next request, and how large they may be.
const KEPT_BUFFERS: usize = 8;
const KEPT_BYTES: usize = 4 << 20;
/// How the frame format of snappy begins.
const FRAME_FORMAT: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// Why a body gives no message.
#[derive(Debug, Error)]
pub(super) enum BodyFault {
    #[error("request body exceeds the {MAX_BYTES} bytes limit")]
    TooLarge,
    #[error("cannot read the request body: {0}")]
    Broken(axum::Error),
    #[error("the memory for requests that are being read is used up, retry later")]
    OverBudget,
    #[error("the request body is empty; expected a message in snappy's block format")]
    Empty,
    #[error("the request body is in snappy's frame format; only the block format is accepted")]
    FrameFormat,
    #[error("decoded size of {0} bytes exceeds the {MAX_BYTES} bytes limit")]
    DecodedTooLarge(u64),
    #[error("the request body is not in snappy's block format: {0}")]
    Snappy(#[from] snap::Error),
}

/// Memory of all requests under way, in bytes.
#[derive(Debug)]
pub(super) struct Account {
    used: AtomicU64,
    limit: u64,
}

/// A part of the account, given back when dropped.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    account: &'a Account,
    bytes: u64,
}

impl Account {
    pub(super) fn new(limit: u64) -> Self {
        Account { used: AtomicU64::new(0), limit }
    }

    pub(super) fn open(&self) -> Reserved<'_> {
        Reserved { account: self, bytes: 0 }
    }
}

impl Reserved<'_> {
    fn add(&mut self, bytes: usize) -> Result<(), BodyFault> {
        let bytes = bytes as u64;
        self.bytes += bytes;
        let used = self.account.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > self.account.limit { Err(BodyFault::OverBudget) } else { Ok(()) }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Decompressed messages live in these. A buffer that is used again needs no zeroing and no page faults.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        if buffer.len() <= KEPT_BYTES {
            let mut kept = self.0.lock();
            if kept.len() < KEPT_BUFFERS {
                kept.push(buffer);
            }
        }
    }
}

/// Reads the whole body.
pub(super) async fn read(mut body: Body, reserved: &mut Reserved<'_>) -> Result<Vec<u8>, BodyFault> {
    let announced = body.size_hint().lower();
    if announced > MAX_BYTES as u64 {
        return Err(BodyFault::TooLarge);
    }
    // What is announced need not come: memory is taken as it does.
    let mut bytes = Vec::with_capacity((announced as usize).min(1 << 20));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyFault::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > MAX_BYTES {
            return Err(BodyFault::TooLarge);
        }
        reserved.add(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// The size that a compressed message declares, reserved.
pub(super) fn declared_size(compressed: &[u8], reserved: &mut Reserved<'_>) -> Result<usize, BodyFault> {
    if compressed.is_empty() {
        return Err(BodyFault::Empty);
    }
    if compressed.starts_with(FRAME_FORMAT) {
        return Err(BodyFault::FrameFormat);
    }
    let size = match snap::raw::decompress_len(compressed) {
        Ok(size) => size,
        Err(snap::Error::TooBig { given, .. }) => return Err(BodyFault::DecodedTooLarge(given)),
        Err(error) => return Err(error.into()),
    };
    if size > MAX_BYTES {
        return Err(BodyFault::DecodedTooLarge(size as u64));
    }
    reserved.add(size)?;
    Ok(size)
}

/// Decompresses into `buffer`, which only ever grows; answers the message.
pub(super) fn decompress<'b>(compressed: &[u8], size: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], BodyFault> {
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let written = snap::raw::Decoder::new().decompress(compressed, &mut buffer[..size])?;
    Ok(&buffer[..written])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of(compressed: &[u8]) -> Result<usize, BodyFault> {
        let account = Account::new(u64::MAX);
        declared_size(compressed, &mut account.open())
    }

    #[test]
    fn what_is_no_block_is_told_apart() {
        let packed = snap::raw::Encoder::new().compress_vec(b"hello").unwrap();
        assert_eq!(size_of(&packed).unwrap(), 5);
        let mut buffer = vec![7; 100];
        assert_eq!(decompress(&packed, 5, &mut buffer).unwrap(), b"hello");
        assert!(matches!(size_of(b""), Err(BodyFault::Empty)));
        assert!(matches!(size_of(b"\xff\x06\x00\x00sNaPpY\x00"), Err(BodyFault::FrameFormat)));
        assert!(matches!(size_of(&[0xff; 12]), Err(BodyFault::Snappy(_))));
        // 32 MiB and one byte; then four GiB; nothing is allocated for either.
        assert!(matches!(size_of(&[0x81, 0x80, 0x80, 0x10]), Err(BodyFault::DecodedTooLarge(33_554_433))));
        assert!(matches!(size_of(&[0x80, 0x80, 0x80, 0x80, 0x10]), Err(BodyFault::DecodedTooLarge(4_294_967_296))));
        assert!(decompress(&[5, 0], 5, &mut buffer).is_err());
    }

    #[test]
    fn the_account_is_settled() {
        let account = Account::new(100);
        let mut one = account.open();
        one.add(60).unwrap();
        let mut two = account.open();
        assert!(matches!(two.add(60), Err(BodyFault::OverBudget)));
        drop(two);
        one.add(40).unwrap();
        drop(one);
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn bodies_are_read_within_limits() {
        let account = Account::new(100);
        let read = |bytes: Vec<u8>| {
            let account = &account;
            async move { read(Body::from(bytes), &mut account.open()).await }
        };
        assert_eq!(read(vec![1; 100]).await.unwrap().len(), 100);
        assert!(matches!(read(vec![1; 101]).await, Err(BodyFault::OverBudget)));
        assert!(matches!(read(vec![1; MAX_BYTES + 1]).await, Err(BodyFault::TooLarge)));
        let chunks = futures::stream::iter([Ok(vec![1; 60]), Err(std::io::Error::other("gone"))]);
        let broken = super::read(Body::from_stream(chunks), &mut account.open()).await;
        assert!(matches!(broken, Err(BodyFault::Broken(_))));
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
    }
}
