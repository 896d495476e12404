//! A sink that keeps what it takes, refuses what Prometheus' head refuses, and fails when told to.

use std::collections::HashMap;
use std::sync::Arc;

use api::{RemoteWrite, remote_write_router};
use axum::Router;
use axum::body::Body;
use http::Request;
use model::{
    AppendError, AppendFuture, AppendReport, Exemplar, Labels, ManualClock, Metadata, RejectReason, Rejection, Sample,
    SampleSink, SampleValue, SeriesRef, Tenant, Timestamp, WriteBatch,
};
use parking_lot::Mutex;
use tower::ServiceExt;

use crate::support::Answer;

/// Samples later than this are too far in the future, earlier than [`OLDEST`] too old.
pub(crate) const NEWEST: i64 = 2_000_000_000_000;
pub(crate) const OLDEST: i64 = 1_000;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) tenant: Tenant,
    pub(crate) labels: Labels,
    pub(crate) sample: Sample,
    pub(crate) exemplars: Vec<Exemplar>,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) samples: Vec<Stored>,
    pub(crate) metadata: Vec<(String, Metadata)>,
    refs: HashMap<(Tenant, Labels), u64>,
    names: HashMap<u64, Labels>,
    last: HashMap<u64, Sample>,
    next: u64,
    /// Rows of each batch, and how many of them came with labels.
    pub(crate) batches: Vec<(usize, usize)>,
    pub(crate) failure: Option<AppendError>,
    pub(crate) series_limit: Option<usize>,
}

/// The sink. Clones share what is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemorySink(pub(crate) Arc<Mutex<Kept>>);

impl MemorySink {
    /// Forgets all references, as a store that evicts series does.
    pub(crate) fn forget_references(&self) {
        let mut kept = self.0.lock();
        kept.refs.clear();
        kept.names.clear();
    }

    pub(crate) fn samples(&self) -> Vec<Stored> {
        self.0.lock().samples.clone()
    }

    /// Value of every float sample, by labels and time.
    pub(crate) fn floats(&self) -> Vec<(String, i64, f64)> {
        let float = |stored: &Stored| match stored.sample.value {
            SampleValue::Float(v) => Some((stored.labels.to_string(), stored.sample.timestamp.ms(), v)),
            SampleValue::Histogram(_) => None,
        };
        self.0.lock().samples.iter().filter_map(float).collect()
    }
}

impl Kept {
    fn series(&mut self, tenant: &Tenant, labels: &Labels, hint: Option<SeriesRef>) -> Result<u64, RejectReason> {
        if let Some(known) = hint.filter(|hint| self.names.contains_key(&hint.0)) {
            return Ok(known.0);
        }
        if labels.metric_name().is_empty() {
            return Err(if hint.is_some() { RejectReason::UnknownSeries } else { RejectReason::InvalidLabels });
        }
        let key = (tenant.clone(), labels.clone());
        if let Some(known) = self.refs.get(&key) {
            return Ok(*known);
        }
        if self.series_limit.is_some_and(|limit| self.refs.len() >= limit) {
            return Err(RejectReason::SeriesLimit);
        }
        self.next += 1;
        self.refs.insert(key, self.next);
        self.names.insert(self.next, labels.clone());
        Ok(self.next)
    }

    fn take(&mut self, batch: WriteBatch) -> AppendReport {
        let mut report = AppendReport::default();
        let with_labels = batch.rows.iter().filter(|row| !row.labels.is_empty()).count();
        self.batches.push((batch.rows.len(), with_labels));
        self.metadata.extend(batch.metadata);
        for (at, row) in batch.rows.into_iter().enumerate() {
            let time = row.sample.timestamp.ms();
            let admitted = match time {
                time if time > NEWEST => Err(RejectReason::TooFarInFuture),
                time if time < OLDEST => Err(RejectReason::TooOld),
                _ => self.series(&batch.tenant, &row.labels, row.hint),
            };
            let admitted = admitted.and_then(|series| match self.last.get(&series) {
                Some(last) if last.timestamp > row.sample.timestamp => Err(RejectReason::OutOfOrder),
                Some(last) if last.timestamp == row.sample.timestamp && last.value != row.sample.value => {
                    Err(RejectReason::DuplicateTimestamp)
                }
                _ => Ok(series),
            });
            report.refs.push(admitted.ok().map(SeriesRef));
            match admitted {
                Ok(series) => {
                    self.last.insert(series, row.sample.clone());
                    let labels = self.names[&series].clone();
                    let (sample, exemplars) = (row.sample, row.exemplars);
                    self.samples.push(Stored { tenant: batch.tenant.clone(), labels, sample, exemplars });
                }
                Err(reason) => report.rejected.push(Rejection { row: at, reason }),
            }
        }
        report
    }
}

impl SampleSink for MemorySink {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        let mut kept = self.0.lock();
        let answer = match kept.failure.clone() {
            Some(failure) => Err(failure),
            None => Ok(kept.take(batch)),
        };
        Box::pin(async move { answer })
    }
}

/// A receiver in front of a memory sink.
pub(crate) struct Receiver {
    pub(crate) sink: MemorySink,
    pub(crate) receiver: Arc<RemoteWrite>,
    pub(crate) router: Router,
}

impl Receiver {
    pub(crate) fn new() -> Receiver {
        Receiver::with_memory(256 << 20)
    }

    pub(crate) fn with_memory(bytes: u64) -> Receiver {
        let sink = MemorySink::default();
        let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000)));
        let receiver = RemoteWrite::new(Arc::new(sink.clone()), clock, bytes);
        let router = remote_write_router(receiver.clone());
        Receiver { sink, receiver, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// The three `Written` headers.
pub(crate) fn written(answer: &Answer) -> [Option<u64>; 3] {
    ["samples", "histograms", "exemplars"].map(|kind| {
        answer.header(&format!("x-prometheus-remote-write-{kind}-written")).map(|v| v.parse().expect("a number"))
    })
}
