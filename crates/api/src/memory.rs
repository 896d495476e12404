//! What the handlers may take of the process' memory, and what was refused for it.

use std::sync::Arc;

use model::{MemoryError, MemoryPool, Resident};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::errors::{ApiError, ErrorKind};

/// Pause asked for where other queries have all memory, in seconds.
pub(crate) const MEMORY_RETRY_AFTER_S: u32 = 2;

/// Shares of the budget, in bytes. What queries may take is the engine's.
#[derive(Clone, Debug)]
pub struct MemoryLimits {
    /// The budget of the process; `None` where there is none.
    pub total: Option<u64>,
    /// Requests with samples that are read and decoded.
    pub in_flight: u64,
    /// What receivers remember of the series that they were sent, a quarter of it the sums of deltas.
    pub known_series: u64,
    /// What the process really takes.
    pub resident: Option<Arc<Resident>>,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        MemoryLimits { total: None, in_flight: 256 << 20, known_series: 512 << 20, resident: None }
    }
}

impl From<MemoryError> for ApiError {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::One { .. } => ApiError::new(ErrorKind::Execution, error.to_string()),
            MemoryError::All | MemoryError::Process => ApiError::unavailable(error.to_string(), MEMORY_RETRY_AFTER_S),
        }
    }
}

/// Shows the memory of queries in an exposition.
#[derive(Debug)]
pub(crate) struct QueryMemoryCollector(pub(crate) Arc<MemoryPool>);

#[derive(Clone, Debug, EncodeLabelSet, Hash, PartialEq, Eq)]
struct ReasonLabel {
    reason: &'static str,
}

impl Collector for QueryMemoryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Queries and look-ups refused for lack of memory, by the limit that was met";
        let name = "afferent_query_memory_refusals";
        let mut refusals = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (reason, count) in self.0.refusals() {
            ConstCounter::new(count).encode(refusals.encode_family(&ReasonLabel { reason })?)?;
        }
        let help = "Memory that running queries and unfinished answers are accounted with";
        let gauge = ConstGauge::new(self.0.used() as f64);
        gauge.encode(encoder.encode_descriptor("afferent_query_memory_bytes", help, None, MetricType::Gauge)?)
    }
}
