//! HTTP bodies, read within a memory account, and buffers to unpack them into.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use model::Resident;
use parking_lot::Mutex;
use thiserror::Error;

/// Largest body and largest decompressed message, in bytes (Prometheus' `decodeReadLimit`).
pub(crate) const MAX_BYTES: usize = 32 << 20;
/// Buffers that are kept for the next request, and how large they may be.
const KEPT_BUFFERS: usize = 8;
const KEPT_BYTES: usize = 4 << 20;

/// Why a body was not read.
#[derive(Debug, Error)]
pub(crate) enum ReadFault {
    #[error("request body exceeds the {MAX_BYTES} bytes limit")]
    TooLarge,
    #[error("cannot read the request body: {0}")]
    Broken(axum::Error),
    #[error("the memory for requests that are being read is used up, retry later")]
    OverBudget,
    /// It would not fit if it came alone either.
    #[error(
        "the request takes more than the {0} bytes of memory that all requests together may: send smaller ones, or raise --memory"
    )]
    BeyondMemory(u64),
}

impl ReadFault {
    /// True where the same request can never be read.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, ReadFault::TooLarge | ReadFault::BeyondMemory(_))
    }
}

/// Memory of all requests under way, in bytes.
#[derive(Debug)]
pub(crate) struct Account {
    used: AtomicU64,
    limit: u64,
    resident: Option<Arc<Resident>>,
}

/// A part of the account, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    account: &'a Account,
    bytes: u64,
}

impl Account {
    pub(crate) fn new(limit: u64, resident: Option<Arc<Resident>>) -> Self {
        Account { used: AtomicU64::new(0), limit, resident }
    }

    /// The most that requests under way may take, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn open(&self) -> Reserved<'_> {
        Reserved { account: self, bytes: 0 }
    }
}

impl Reserved<'_> {
    /// Takes so many bytes more; they stay taken where there is no room, until the whole is dropped.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), ReadFault> {
        let bytes = bytes as u64;
        self.bytes += bytes;
        if self.bytes > self.account.limit {
            // Counted, because it is given back as a whole.
            self.account.used.fetch_add(bytes, Ordering::Relaxed);
            return Err(ReadFault::BeyondMemory(self.account.limit));
        }
        let used = self.account.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let is_full = used > self.account.limit
            || self.account.resident.as_ref().is_some_and(|resident| resident.is_over(bytes as usize));
        if is_full { Err(ReadFault::OverBudget) } else { Ok(()) }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Decompressed messages live in these. A buffer that is used again needs no zeroing and no page faults.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        if buffer.len() <= KEPT_BYTES {
            let mut kept = self.0.lock();
            if kept.len() < KEPT_BUFFERS {
                kept.push(buffer);
            }
        }
    }
}

/// Reads the whole body.
pub(crate) async fn read(mut body: Body, reserved: &mut Reserved<'_>) -> Result<Vec<u8>, ReadFault> {
    let announced = body.size_hint().lower();
    if announced > MAX_BYTES as u64 {
        return Err(ReadFault::TooLarge);
    }
    // What is announced need not come: memory is taken as it does.
    let mut bytes = Vec::with_capacity((announced as usize).min(1 << 20));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ReadFault::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > MAX_BYTES {
            return Err(ReadFault::TooLarge);
        }
        reserved.add(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_settled() {
        let account = Account::new(100, None);
        let mut one = account.open();
        one.add(60).unwrap();
        let mut two = account.open();
        assert!(matches!(two.add(60), Err(ReadFault::OverBudget)));
        drop(two);
        one.add(40).unwrap();
        drop(one);
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn bodies_are_read_within_limits() {
        let account = Account::new(100, None);
        let read = |bytes: Vec<u8>| {
            let account = &account;
            async move { read(Body::from(bytes), &mut account.open()).await }
        };
        assert_eq!(read(vec![1; 100]).await.unwrap().len(), 100);
        assert!(matches!(read(vec![1; 101]).await, Err(ReadFault::BeyondMemory(100))));
        assert!(matches!(read(vec![1; MAX_BYTES + 1]).await, Err(ReadFault::TooLarge)));
        let chunks = futures::stream::iter([Ok(vec![1; 60]), Err(std::io::Error::other("gone"))]);
        let broken = super::read(Body::from_stream(chunks), &mut account.open()).await;
        assert!(matches!(broken, Err(ReadFault::Broken(_))));
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
    }
}
