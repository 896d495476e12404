//! Series in memory, to read from in tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    AppendReport, CounterResetHint, FloatHistogram, LabelRequest, Labels, Matcher, RejectReason, Rejection, Sample,
    SampleBuffer, SampleValue, SelectRequest, SeriesSet, SeriesSource, SourceError, Tenant, TimeRange, Timestamp,
    WriteBatch, is_stale, stale_nan,
};

use super::TestingError;

/// A store of series that forgets nothing and knows one tenant.
///
/// It treats histograms as Prometheus' storage does: the hint that is read back tells whether the histogram continues the one
/// before, and a stale marker after a histogram is a histogram.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    series: BTreeMap<Labels, Arc<SampleBuffer>>,
}

impl MemorySource {
    /// An empty store.
    pub fn new() -> Self {
        MemorySource::default()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.series.clear();
    }

    /// Adds what a sink was given; what comes out of order is refused.
    pub fn write(&mut self, batch: WriteBatch) -> AppendReport {
        let mut report = AppendReport::default();
        for (row, written) in batch.rows.into_iter().enumerate() {
            report.refs.push(None);
            if self.append(&written.labels, [written.sample]).is_err() {
                report.rejected.push(Rejection { row, reason: RejectReason::OutOfOrder });
            }
        }
        report
    }

    /// Adds samples to a series, each later than all before; a sample at the time of the last one is ignored if it is equal.
    pub fn append(&mut self, labels: &Labels, samples: impl IntoIterator<Item = Sample>) -> Result<(), TestingError> {
        let buffer = Arc::make_mut(self.series.entry(labels.clone()).or_default());
        for sample in samples {
            let timestamp = sample.timestamp.ms();
            match buffer.timestamps.last() {
                Some(last) if *last == timestamp && equals_last(buffer, &sample.value) => continue,
                Some(last) if *last >= timestamp => {
                    return Err(TestingError::OutOfOrder { series: labels.to_string(), timestamp });
                }
                _ => push(buffer, sample),
            }
        }
        Ok(())
    }

    /// Puts a series with all its samples in place of what is there; the buffer may hold downsampled data.
    pub fn put(&mut self, labels: Labels, samples: SampleBuffer) {
        self.series.insert(labels, Arc::new(samples));
    }

    fn matching<'a>(&'a self, matcher_sets: &'a [Vec<Matcher>], range: TimeRange) -> impl Iterator<Item = &'a Labels> {
        self.series
            .iter()
            .filter(move |(labels, samples)| {
                let selected = matcher_sets.is_empty() || matcher_sets.iter().any(|set| matches_all(labels, set));
                selected && !samples.rows_in(range).is_empty()
            })
            .map(|(labels, _)| labels)
    }
}

fn matches_all(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")))
}

fn last_histogram(buffer: &SampleBuffer) -> Option<&Arc<FloatHistogram>> {
    let (row, histogram) = buffer.histograms.last()?;
    (*row as usize + 1 == buffer.len()).then_some(histogram)
}

fn equals_last(buffer: &SampleBuffer, value: &SampleValue) -> bool {
    match (value, last_histogram(buffer)) {
        (SampleValue::Float(v), None) => buffer.values.last().is_some_and(|last| last.to_bits() == v.to_bits()),
        (SampleValue::Histogram(h), Some(last)) => last.same_data(h),
        _ => false,
    }
}

fn push(buffer: &mut SampleBuffer, sample: Sample) {
    let timestamp = sample.timestamp.ms();
    let previous = last_histogram(buffer).cloned();
    match (sample.value, previous) {
        (SampleValue::Float(v), Some(_)) if is_stale(v) => {
            let stale = FloatHistogram { sum: stale_nan(), ..FloatHistogram::default() };
            buffer.push_histogram(timestamp, Arc::new(stale));
        }
        (SampleValue::Float(v), _) => buffer.push_float(timestamp, v),
        (SampleValue::Histogram(mut h), previous) => {
            let hint = stored_hint(&h, previous.as_deref());
            if hint != h.counter_reset_hint {
                Arc::make_mut(&mut h).counter_reset_hint = hint;
            }
            buffer.push_histogram(timestamp, h);
        }
    }
    buffer.set_last_start(sample.start_timestamp.map_or(0, Timestamp::ms));
}

/// The hint with which Prometheus' storage gives a histogram back: that it continues the chunk of the one before, or
/// nothing. It never tells of a reset, because it cannot know whether the chunk before is still there.
fn stored_hint(h: &FloatHistogram, previous: Option<&FloatHistogram>) -> CounterResetHint {
    use CounterResetHint::{CounterReset, Gauge, NotCounterReset, Unknown};
    if h.counter_reset_hint == Gauge {
        return Gauge;
    }
    let Some(previous) = previous.filter(|p| p.counter_reset_hint != Gauge && h.counter_reset_hint != CounterReset)
    else {
        return Unknown;
    };
    if is_stale(h.sum) {
        return NotCounterReset;
    }
    let same_layout = h.schema == previous.schema
        && h.zero_threshold == previous.zero_threshold
        && (!h.uses_custom_buckets() || h.custom_values == previous.custom_values);
    let unhinted = FloatHistogram { counter_reset_hint: Unknown, ..h.clone() };
    let continues = same_layout && !is_stale(previous.sum) && !unhinted.detect_reset(previous);
    if continues { NotCounterReset } else { Unknown }
}

struct MemorySet {
    series: Vec<(Labels, Arc<SampleBuffer>)>,
}

impl SeriesSet for MemorySet {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.series[index].0.clone()
    }

    fn read(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        let samples = &self.series[index].1;
        samples.rows_in(range).for_each(|row| out.push_row(samples, row));
        Ok(())
    }
}

impl SeriesSource for MemorySource {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        let series = self
            .series
            .iter()
            .filter(|(labels, _)| matches_all(labels, request.matchers))
            .filter(|(_, samples)| !samples.rows_in(request.range).is_empty())
            .map(|(labels, samples)| (labels.clone(), Arc::clone(samples)))
            .collect();
        Ok(Box::new(MemorySet { series }))
    }

    fn longest_bucket_ms(&self, _: &Tenant, _: TimeRange) -> i64 {
        let aggregates = self.series.values().flat_map(|samples| &samples.aggregates);
        aggregates.map(|(_, aggregate)| aggregate.span_ms).max().unwrap_or(0)
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let series = self.matching(request.matcher_sets, request.range);
        Ok(limited(series.flat_map(|l| l.iter().map(|l| l.name.to_owned())).collect(), request.limit))
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let series = self.matching(request.matcher_sets, request.range);
        Ok(limited(series.filter_map(|l| l.get(name).map(str::to_owned)).collect(), request.limit))
    }

    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        Ok(limited(self.matching(request.matcher_sets, request.range).cloned().collect(), request.limit))
    }
}

fn limited<T: Ord>(mut found: Vec<T>, limit: usize) -> Vec<T> {
    found.sort_unstable();
    found.dedup();
    if limit > 0 {
        found.truncate(limit);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(count: f64, hint: CounterResetHint) -> SampleValue {
        SampleValue::Histogram(Arc::new(FloatHistogram {
            count,
            counter_reset_hint: hint,
            ..FloatHistogram::default()
        }))
    }

    fn at(timestamp: i64, value: SampleValue) -> Sample {
        Sample { timestamp: Timestamp(timestamp), start_timestamp: None, value }
    }

    fn read_all(source: &MemorySource) -> SampleBuffer {
        let request = SelectRequest {
            tenant: &model::Tenant::default(),
            matchers: &[],
            range: TimeRange::ALL,
            projection: None,
            memory: None,
        };
        let mut out = SampleBuffer::default();
        let set = source.select(&request).unwrap();
        set.read(0, TimeRange::new(0, 100), &mut out).unwrap();
        out
    }

    #[test]
    fn hints_tell_what_was_found() {
        use CounterResetHint::{Gauge, NotCounterReset, Unknown};
        let mut source = MemorySource::new();
        let labels = Labels::from_pairs([("__name__", "h")]);
        let counts = [(1.0, Unknown), (2.0, Unknown), (1.0, Unknown), (3.0, Gauge), (4.0, Unknown)];
        let samples = counts.into_iter().enumerate().map(|(i, (count, hint))| at(i as i64, histogram(count, hint)));
        source.append(&labels, samples).unwrap();
        let hints: Vec<_> = read_all(&source).histograms.iter().map(|(_, h)| h.counter_reset_hint).collect();
        assert_eq!(hints, [Unknown, NotCounterReset, Unknown, Gauge, Unknown]);
    }

    #[test]
    fn order_is_kept() {
        let mut source = MemorySource::new();
        let labels = Labels::from_pairs([("__name__", "m")]);
        source.append(&labels, [Sample::float(Timestamp(5), 1.0), Sample::float(Timestamp(5), 1.0)]).unwrap();
        assert!(source.append(&labels, [Sample::float(Timestamp(5), 2.0)]).is_err());
        assert!(source.append(&labels, [Sample::float(Timestamp(4), 1.0)]).is_err());
        assert_eq!(read_all(&source).timestamps, [5]);
    }
}
