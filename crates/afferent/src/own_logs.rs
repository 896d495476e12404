//! Lines that the process itself has logged, on their way into its own log store.
//!
//! They wait in memory, few of them, until the store is open and every second from then on; when it cannot take them they are
//! dropped, because a store that is in trouble logs, and must not be fed with that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{Labels, LogBatch, LogSink, Tenant, Timestamp};
use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::logging::{SERVICE_NAME, place};

/// Lines that wait; the oldest go first.
const MOST_LINES: usize = 10_000;
/// How often lines are written into the store.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lines that wait, with their times and levels.
#[derive(Debug, Default)]
pub(crate) struct OwnLogs {
    lines: Mutex<VecDeque<(Timestamp, &'static str, String)>>,
    /// Nobody will take them.
    is_off: AtomicBool,
}

impl OwnLogs {
    /// Keeps a line.
    pub(crate) fn keep(&self, at: Timestamp, level: &'static str, line: impl FnOnce() -> String) {
        if self.is_off.load(Ordering::Relaxed) {
            return;
        }
        let line = line();
        let mut lines = self.lines.lock();
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back((at, level, line));
    }

    /// Keeps nothing from now on: this process has no store.
    pub(crate) fn turn_off(&self) {
        self.is_off.store(true, Ordering::Relaxed);
        self.lines.lock().clear();
    }

    fn take(&self) -> Option<LogBatch> {
        let lines = std::mem::take(&mut *self.lines.lock());
        if lines.is_empty() {
            return None;
        }
        let mut batch = LogBatch::new(Tenant::default());
        let own = [("service_name", SERVICE_NAME), ("job", SERVICE_NAME)];
        let labels = own.into_iter().chain(place().iter().map(|(name, value)| (*name, value.as_str())));
        let stream = batch.add_stream(Labels::from_pairs(labels));
        let mut before = i64::MIN;
        for (at, level, line) in &lines {
            // Lines of one millisecond keep their order.
            let time = at.ms().saturating_mul(1_000_000).max(before.saturating_add(1));
            before = time;
            batch.push(stream, time, line.as_bytes(), [("detected_level", *level)]);
        }
        Some(batch)
    }

    /// Writes what has been kept into the store, again and again until `stop`, and then once more.
    pub(crate) async fn write(self: Arc<Self>, sink: Arc<dyn LogSink>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = stop.cancelled() => true,
            };
            if let Some(batch) = self.take() {
                // What it says of a failure would be kept, and fail again.
                let _ = sink.append(batch).await;
            }
            if is_last {
                return self.turn_off();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_a_batch_in_order() {
        let own = OwnLogs::default();
        assert!(own.take().is_none());
        own.keep(Timestamp(5), "warn", || "a".to_owned());
        own.keep(Timestamp(5), "error", || "b".to_owned());
        let batch = own.take().unwrap();
        let entries: Vec<_> =
            batch.iter().map(|e| (e.timestamp(), e.metadata().next().unwrap().1.to_owned())).collect();
        assert_eq!(entries, [(5_000_000, "warn".to_owned()), (5_000_001, "error".to_owned())]);
        assert_eq!(batch.streams()[0].get("service_name"), Some("afferent"));
        for at in 0..(MOST_LINES as i64 + 5) {
            own.keep(Timestamp(at), "info", String::new);
        }
        assert_eq!(own.take().unwrap().len(), MOST_LINES);
        own.turn_off();
        own.keep(Timestamp(1), "info", || unreachable!());
        assert!(own.take().is_none());
    }
}
