//! The way into the log store, and what receivers of all protocols share on it: admission, rates, counters, and the memory of
//! requests under way.

pub(crate) mod admission;
mod admitting;
pub(crate) mod bodies;
mod counters;
pub(crate) mod label_text;
mod levels;
mod rates;
pub(crate) mod refusals;
mod tailing;
mod time_text;

use std::sync::Arc;

use config::LokiConfig;
use model::{AppendError, LogBatch, LogRejectReason, LogRejection, LogSink, Tenant};
use parking_lot::RwLock;
use prometheus_client::registry::Registry;

use crate::ingest::Intake;
use admission::{Admission, Arrivals};
pub(crate) use admitting::AdmittingSink;
pub(crate) use counters::LogCounters;
use rates::Rates;
use refusals::{Reason, Refusals};
pub use tailing::TailingSink;

/// Loki's configuration as it is in force.
pub type SharedLokiConfig = Arc<RwLock<Arc<LokiConfig>>>;

/// The way in.
pub(crate) struct LogIntake {
    sink: Arc<dyn LogSink>,
    config: SharedLokiConfig,
    /// Shared with the receivers of metrics: its clock, its account of memory, its turns.
    pub(crate) requests: Arc<Intake>,
    rates: Rates,
    arrivals: Arrivals,
    pub(crate) counters: LogCounters,
}

impl LogIntake {
    pub(crate) fn new(sink: Arc<dyn LogSink>, config: SharedLokiConfig, requests: Arc<Intake>) -> Arc<Self> {
        Arc::new(LogIntake {
            sink,
            config,
            requests,
            rates: Rates::default(),
            arrivals: Arrivals::default(),
            counters: LogCounters::default(),
        })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.counters.register(registry);
    }

    /// The configuration as it is now.
    pub(crate) fn config(&self) -> Arc<LokiConfig> {
        self.config.read().clone()
    }

    /// The present in nanoseconds.
    pub(crate) fn now(&self) -> i64 {
        self.requests.clock.now().ms().saturating_mul(1_000_000)
    }

    /// A request of a tenant on its way in.
    pub(crate) fn admission<'a>(&'a self, config: &'a LokiConfig, tenant: &Tenant) -> Admission<'a> {
        Admission::new(tenant.clone(), config.limits_of(tenant), self.now(), &self.arrivals)
    }

    /// Stores what a request was left with, and answers what of it was refused.
    pub(crate) async fn store(&self, tenant: &Tenant, admission: Admission<'_>) -> Result<Refusals, AppendError> {
        self.counters.received(tenant, admission.received_lines, admission.received_bytes);
        self.counters.truncated(admission.truncated);
        let limits = admission.limits();
        let (rate_mb, burst_mb) = (limits.ingestion_rate_mb, limits.ingestion_burst_size_mb);
        let (batch, mut refusals) = admission.into_batch();
        let stored = self.append(tenant, batch, &mut refusals, (rate_mb, burst_mb)).await;
        self.counters.discarded(tenant, &refusals);
        self.counters.stored(stored?);
        Ok(refusals)
    }

    async fn append(
        &self,
        tenant: &Tenant,
        batch: LogBatch,
        refusals: &mut Refusals,
        (rate_mb, burst_mb): (f64, f64),
    ) -> Result<u64, AppendError> {
        if batch.is_empty() {
            return Ok(0);
        }
        let (lines, bytes) = (batch.len(), batch.text_bytes() as u64);
        if !self.rates.take(tenant, bytes, self.requests.clock.now(), rate_mb, burst_mb) {
            let limit = (rate_mb * 1_048_576.0) as u64;
            let text = format!(
                "ingestion rate limit exceeded for user {tenant} (limit: {limit} bytes/sec) while attempting to ingest \
                 '{lines}' lines totaling '{bytes}' bytes, reduce log volume or contact your Loki administrator to see if \
                 the limit can be increased"
            );
            let mut text = Some(text);
            for (place, entry) in batch.iter().enumerate() {
                refusals.refuse(Reason::RateLimited, entry.line().len(), || text.take().unwrap_or_default());
                refusals.note(place, Reason::RateLimited);
            }
            refusals.as_one(Reason::RateLimited);
            return Ok(0);
        }
        let described: Vec<_> =
            batch.iter().map(|entry| (entry.stream(), entry.timestamp(), entry.line().len())).collect();
        let streams = batch.streams().to_vec();
        let report = self.sink.append(batch).await?;
        let mut rejected = report.rejected;
        rejected.sort_unstable_by_key(|rejection| rejection.entry);
        for rejection in &rejected {
            refusals.note(rejection.entry, Reason::Store(rejection.reason));
            let (stream, time, bytes) = described[rejection.entry];
            let example = || describe(rejection, time, &streams[stream as usize].to_string(), tenant);
            refusals.refuse(Reason::Store(rejection.reason), bytes, example);
        }
        Ok(report.stored)
    }
}

/// A refusal by the store, worded as Loki's ingester words it.
fn describe(rejection: &LogRejection, time: i64, stream: &str, tenant: &Tenant) -> String {
    let at = time_text::seconds(time);
    let reason = match rejection.reason {
        LogRejectReason::TooFarBehind => {
            let oldest = rejection.oldest_acceptable.map(time_text::seconds).unwrap_or_default();
            format!("entry too far behind, entry timestamp is: {at}, oldest acceptable timestamp is: {oldest}")
        }
        LogRejectReason::StreamLimit => {
            return format!(
                "Maximum active stream limit exceeded when trying to create stream {stream}, reduce the number of active \
                 streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can \
                 be increased, user: '{tenant}'"
            );
        }
        LogRejectReason::StreamRate => format!(
            "Per stream rate limit exceeded while attempting to ingest for stream '{stream}', consider splitting a stream \
             via additional labels or contact your Loki administrator to see if the limit can be increased"
        ),
    };
    format!("entry with timestamp {at} ignored, reason: '{reason}', user '{tenant}', for stream: {stream}")
}
