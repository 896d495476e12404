//! What all receivers of samples share: memory of requests under way, remembered series, and the account of what was refused.

pub(crate) mod body;
pub(crate) mod cache;
pub(crate) mod histogram_count;
pub(crate) mod packed;
pub(crate) mod problems;
pub(crate) mod push_metrics;
pub(crate) mod rows;
pub(crate) mod unpack;

use std::sync::Arc;

use model::{Clock, SampleSink};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use body::Account;
use cache::Caches;

use crate::memory::MemoryLimits;

/// Memory of a message that is being decoded, in bytes: a portion of rows and their labels.
const DECODING_BYTES: u64 = 16 << 20;
/// Larger messages are decoded where they do not hold up other requests' input and output.
const INLINE_BYTES: usize = 32 << 10;
/// Pause asked for where the receivers themselves are short of memory, and where the store is closing, in seconds.
pub(crate) const RETRY_AFTER_S: u32 = 5;
/// Pause asked for at the limit of series, which frees itself as series go stale, in seconds.
pub(crate) const LIMIT_RETRY_AFTER_S: u32 = 60;

/// The way into a store, and what receivers of all protocols share on it.
pub(crate) struct Intake {
    pub(crate) sink: Arc<dyn SampleSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) caches: Caches,
    pub(crate) account: Account,
    /// What the sums of deltas may take.
    pub(crate) delta_bytes: u64,
    /// Requests that are decoded at a time.
    decoding: Semaphore,
}

impl Intake {
    /// Requests under way take at most `limits.in_flight`: half of it as they came and unpacked together, half decoded.
    pub(crate) fn new(sink: Arc<dyn SampleSink>, clock: Arc<dyn Clock>, limits: &MemoryLimits) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let turns = usize::try_from(limits.in_flight / 2 / DECODING_BYTES).unwrap_or(usize::MAX);
        Arc::new(Intake {
            sink,
            clock,
            caches: Caches::new(limits.known_series / 4 * 3),
            delta_bytes: limits.known_series / 4,
            account: Account::new(limits.in_flight / 2, limits.resident.clone()),
            decoding: Semaphore::new(turns.clamp(1, 2 * cores)),
        })
    }

    /// Runs work on a message of `size` bytes. Large ones do not hold up the runtime, and no more than a few run at a time.
    pub(crate) async fn work<T>(&self, size: usize, work: impl FnOnce() -> T) -> T {
        if size <= INLINE_BYTES {
            return work();
        }
        let _turn = self.decoding.acquire().await.expect("the semaphore is never closed");
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::CurrentThread => work(),
            _ => tokio::task::block_in_place(work),
        }
    }
}
