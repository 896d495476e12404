//! What was stored, told to those who follow along.

use std::sync::Arc;

use model::{LogBatch, LogFuture, LogSink};
use tokio::sync::broadcast;

/// Batches that wait for slow readers; what they miss is counted and told to them.
const WAITING_BATCHES: usize = 64;

/// A sink that hands on to another, and publishes what that has stored.
pub struct TailingSink {
    inner: Arc<dyn LogSink>,
    published: broadcast::Sender<Arc<LogBatch>>,
}

impl TailingSink {
    /// In front of a store.
    pub fn new(inner: Arc<dyn LogSink>) -> Arc<Self> {
        Arc::new(TailingSink { inner, published: broadcast::channel(WAITING_BATCHES).0 })
    }

    /// All batches from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<LogBatch>> {
        self.published.subscribe()
    }
}

impl LogSink for TailingSink {
    fn append(&self, batch: LogBatch) -> LogFuture {
        if self.published.receiver_count() == 0 {
            return self.inner.append(batch);
        }
        let published = self.published.clone();
        let copy = Arc::new(batch.clone());
        let appended = self.inner.append(batch);
        Box::pin(async move {
            let report = appended.await?;
            if report.stored > 0 {
                // Nobody may be left to hear it.
                let _ = published.send(copy);
            }
            Ok(report)
        })
    }
}
