//! What all receivers of samples share: memory of requests under way, remembered series, and the account of what was refused.

pub(crate) mod body;
pub(crate) mod cache;
pub(crate) mod histogram_count;
pub(crate) mod packed;
pub(crate) mod problems;
pub(crate) mod push_metrics;
pub(crate) mod rows;

use std::sync::Arc;

use model::{Clock, SampleSink};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use body::Account;
use cache::Caches;

/// Memory of requests under way, in bytes, where the caller names none.
pub(crate) const DEFAULT_IN_FLIGHT_BYTES: u64 = 256 << 20;
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
    /// Requests that are decoded at a time.
    decoding: Semaphore,
}

impl Intake {
    /// Requests under way take at most `in_flight_bytes`, as they came and unpacked together.
    pub(crate) fn new(sink: Arc<dyn SampleSink>, clock: Arc<dyn Clock>, in_flight_bytes: u64) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Arc::new(Intake {
            sink,
            clock,
            caches: Caches::default(),
            account: Account::new(in_flight_bytes),
            decoding: Semaphore::new(2 * cores),
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
