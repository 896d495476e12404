//! A log sink in memory, which takes everything or refuses as a test wants.

use std::sync::Arc;

use model::{AppendError, Labels, LogBatch, LogFuture, LogRejectReason, LogRejection, LogReport, LogSink};
use parking_lot::Mutex;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) tenant: String,
    pub(super) labels: Labels,
    pub(super) time: i64,
    pub(super) line: Vec<u8>,
    pub(super) metadata: Vec<(String, String)>,
}

#[derive(Default)]
struct State {
    entries: Vec<Stored>,
    refuse: Option<LogRejectReason>,
    fails: bool,
}

#[derive(Clone, Default)]
pub(super) struct MemoryLogs(Arc<Mutex<State>>);

impl MemoryLogs {
    /// Lines that hold `refuse` are refused from now on.
    pub(super) fn refuse(&self, reason: LogRejectReason) {
        self.0.lock().refuse = Some(reason);
    }

    pub(super) fn fail(&self) {
        self.0.lock().fails = true;
    }

    pub(super) fn entries(&self) -> Vec<Stored> {
        self.0.lock().entries.clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let show = |entry: &Stored| {
            let line = String::from_utf8_lossy(&entry.line).into_owned();
            let metadata: Vec<String> = entry.metadata.iter().map(|(n, v)| format!("{n}={v}")).collect();
            format!("{} {} {line} {}", entry.labels, entry.time, metadata.join(",")).trim_end().to_owned()
        };
        self.0.lock().entries.iter().map(show).collect()
    }
}

impl LogSink for MemoryLogs {
    fn append(&self, batch: LogBatch) -> LogFuture {
        let mut state = self.0.lock();
        if state.fails {
            return Box::pin(async { Err(AppendError::Closed) });
        }
        let mut report = LogReport::default();
        for (place, entry) in batch.iter().enumerate() {
            if let Some(reason) = state.refuse
                && entry.line().windows(6).any(|part| part == b"refuse")
            {
                report.rejected.push(LogRejection { entry: place, reason, oldest_acceptable: Some(1_000_000_000) });
                continue;
            }
            let stored = Stored {
                tenant: batch.tenant.to_string(),
                labels: batch.streams()[entry.stream() as usize].clone(),
                time: entry.timestamp(),
                line: entry.line().to_vec(),
                metadata: entry.metadata().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            };
            let is_known = |known: &Stored| {
                (&known.labels, known.time, &known.line) == (&stored.labels, stored.time, &stored.line)
            };
            if !state.entries.iter().any(is_known) {
                state.entries.push(stored);
                report.stored += 1;
            }
        }
        Box::pin(async move { Ok(report) })
    }
}
