//! The way in for sources in this process: the same admission as for what is pushed, behind the door that stores have.

use std::sync::Arc;
use std::time::Duration;

use model::{AppendError, LogBatch, LogFuture, LogReport, LogSink};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::LogIntake;
use super::refusals::Refusals;

/// Pause before lines above the tenant's rate are tried again.
const RATE_PAUSE: Duration = Duration::from_secs(1);
/// So often; then they are refused for good, because they can never fit.
const RATE_ATTEMPTS: usize = 60;

/// Admits what it is given. What is refused is counted and said in the log; a rate that is exceeded makes the source wait.
pub(crate) struct AdmittingSink(pub(crate) Arc<LogIntake>);

impl LogSink for AdmittingSink {
    fn append(&self, batch: LogBatch) -> LogFuture {
        let intake = self.0.clone();
        Box::pin(async move {
            let mut refusals = admit(&intake, &batch).await?;
            for _ in 1..RATE_ATTEMPTS {
                if !refusals.is_rate_limited() {
                    break;
                }
                sleep_until(Instant::now() + RATE_PAUSE).await;
                refusals = admit(&intake, &batch).await?;
            }
            if !refusals.is_empty() {
                let (entries, reason) = (refusals.entries(), refusals.describe());
                warn!(tenant = %batch.tenant, entries, reason, "log lines of a source in this process are refused");
            }
            let stored = (batch.len() as u64).saturating_sub(refusals.entries());
            Ok(LogReport { stored, rejected: Vec::new() })
        })
    }
}

async fn admit(intake: &LogIntake, batch: &LogBatch) -> Result<Refusals, AppendError> {
    let config = intake.config();
    let mut admission = intake.admission(&config, &batch.tenant);
    let (mut place, mut stream) = (None, None);
    for entry in batch.iter() {
        if place != Some(entry.stream()) {
            place = Some(entry.stream());
            let labels = &batch.streams()[entry.stream() as usize];
            let pairs: Vec<(&str, &str)> = labels.iter().map(|label| (label.name, label.value)).collect();
            stream = admission.stream_of(&pairs);
        }
        match &mut stream {
            Some(stream) => {
                let metadata: Vec<(&str, &str)> = entry.metadata().collect();
                admission.entry(stream, entry.timestamp(), entry.line(), &metadata);
            }
            None => admission.lost(entry.line().len()),
        }
    }
    intake.store(&batch.tenant, admission).await
}
