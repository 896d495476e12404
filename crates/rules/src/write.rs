//! Writing what rules produce.

use std::collections::BTreeMap;

use model::{Labels, RejectReason, Sample, SampleSink, Tenant, Timestamp, WriteBatch, stale_nan};

use crate::rule::Written;

/// What became of a write.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Series that took their sample.
    pub(crate) written: Written,
    /// Why others did not, and how many.
    pub(crate) refused: BTreeMap<&'static str, usize>,
    pub(crate) first_refusal: Option<RejectReason>,
}

/// Writes the samples, and stale markers for the series of `before` that are not among them. Waits until they are durable.
pub(crate) fn write(
    sink: &dyn SampleSink,
    samples: Vec<(Labels, Sample)>,
    before: &Written,
    at: Timestamp,
) -> Result<Outcome, String> {
    let mut batch = WriteBatch { tenant: Tenant::default(), ..WriteBatch::default() };
    for (labels, sample) in samples {
        let hint = before.get(&labels).copied().flatten();
        batch.push(labels, hint, sample);
    }
    let count = batch.rows.len();
    let returned: Written = batch.rows.iter().map(|row| (row.labels.clone(), None)).collect();
    for (labels, hint) in before.iter().filter(|(labels, _)| !returned.contains_key(*labels)) {
        batch.push(labels.clone(), *hint, Sample::float(at, stale_nan()));
    }
    if batch.rows.is_empty() {
        return Ok(Outcome::default());
    }
    let labels: Vec<Labels> = batch.rows.iter().take(count).map(|row| row.labels.clone()).collect();
    let report = futures::executor::block_on(sink.append(batch)).map_err(|error| error.to_string())?;
    let mut outcome = Outcome { written: returned, ..Outcome::default() };
    for (labels, reference) in labels.iter().zip(&report.refs) {
        outcome.written.insert(labels.clone(), *reference);
    }
    // A stale marker that comes too late is none that is missed.
    for rejection in report.rejected.iter().filter(|rejection| rejection.row < count) {
        outcome.written.remove(&labels[rejection.row]);
        *outcome.refused.entry(rejection.reason.as_str()).or_default() += 1;
        outcome.first_refusal.get_or_insert(rejection.reason);
    }
    Ok(outcome)
}

/// Marks series as gone.
pub(crate) fn mark_stale(sink: &dyn SampleSink, series: &Written, at: Timestamp) -> Result<(), String> {
    write(sink, Vec::new(), series, at).map(|_| ())
}
