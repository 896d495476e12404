//! Query results as JSON, written series by series while the client reads, so that a slow reader holds no thread and a
//! big result is never held twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::{Reservation, SampleValue};
use promql::engine::{MatrixSeries, QueryStats, StepStat, Value, VectorSample};

use crate::answer::{ExactEnd, close_envelope, open_envelope};
use crate::histogram_json::push_histogram;
use crate::json::{push_display, push_integer, push_labels, push_string, push_timestamp, push_value};

/// A chunk is closed when it has grown to so many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// A query's answer on its way to the client, as an iterator over chunks of JSON.
pub(crate) struct QueryAnswer {
    value: Value,
    stats: Option<Vec<u8>>,
    explanation: Option<Vec<u8>>,
    warnings: Vec<String>,
    infos: Vec<String>,
    next_series: usize,
    done: bool,
    /// The memory that the value is accounted with.
    _reservation: Option<Arc<Reservation>>,
}

impl QueryAnswer {
    pub(crate) fn new(value: Value, stats: Option<Vec<u8>>, warnings: Vec<String>, infos: Vec<String>) -> Self {
        QueryAnswer {
            value,
            stats,
            explanation: None,
            warnings,
            infos,
            next_series: 0,
            done: false,
            _reservation: None,
        }
    }

    /// Puts an explanation, as JSON, behind the result.
    pub(crate) fn explained(self, explanation: Vec<u8>) -> Self {
        QueryAnswer { explanation: Some(explanation), ..self }
    }

    /// Keeps memory accounted for until the answer is sent.
    pub(crate) fn holding(self, reservation: Arc<Reservation>) -> Self {
        QueryAnswer { _reservation: Some(reservation), ..self }
    }

    fn open(&self, out: &mut Vec<u8>) {
        open_envelope(out);
        out.extend_from_slice(br#"{"resultType":""#);
        out.extend_from_slice(self.value.kind().as_bytes());
        out.extend_from_slice(br#"","result":["#);
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.push(b']');
        if let Some(stats) = &self.stats {
            out.extend_from_slice(br#","stats":"#);
            out.extend_from_slice(stats);
        }
        if let Some(explanation) = &self.explanation {
            out.extend_from_slice(br#","explain":"#);
            out.extend_from_slice(explanation);
        }
        out.push(b'}');
        close_envelope(out, &self.warnings, &self.infos);
    }

    /// Appends the next series; false where none is left.
    fn push_next(&mut self, out: &mut Vec<u8>) -> bool {
        let index = self.next_series;
        self.next_series += 1;
        if index > 0 && index < self.len() {
            out.push(b',');
        }
        match &self.value {
            Value::Vector(samples) => samples.get(index).map(|sample| push_sample(out, sample)).is_some(),
            Value::Matrix(series) => series.get(index).map(|series| push_series(out, series)).is_some(),
            Value::Scalar(at, value) => {
                push_timestamp(out, *at);
                out.push(b',');
                push_value(out, *value);
                false
            }
            Value::String(at, text) => {
                push_timestamp(out, *at);
                out.push(b',');
                push_string(out, text);
                false
            }
        }
    }

    fn len(&self) -> usize {
        match &self.value {
            Value::Vector(samples) => samples.len(),
            Value::Matrix(series) => series.len(),
            Value::Scalar(..) | Value::String(..) => 0,
        }
    }
}

impl Iterator for QueryAnswer {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut out = Vec::with_capacity(if self.len() > 8 { CHUNK_BYTES + 4096 } else { 1024 });
        if self.next_series == 0 {
            self.open(&mut out);
        }
        while out.len() < CHUNK_BYTES {
            if !self.push_next(&mut out) {
                self.close(&mut out);
                self.done = true;
                break;
            }
        }
        Some(Bytes::from(out))
    }
}

impl ExactEnd for QueryAnswer {
    fn is_done(&self) -> bool {
        self.done
    }
}

/// What it takes to write a value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EncodeCost {
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

/// Writes a value for nobody, to see what that takes.
pub(crate) fn cost_of(value: Value) -> (Value, EncodeCost) {
    let since = Instant::now();
    let mut answer = QueryAnswer::new(value, None, Vec::new(), Vec::new());
    let bytes = answer.by_ref().map(|chunk| chunk.len() as u64).sum();
    (answer.value, EncodeCost { bytes, time: since.elapsed() })
}

fn push_sample(out: &mut Vec<u8>, sample: &VectorSample) {
    out.extend_from_slice(br#"{"metric":"#);
    push_labels(out, &sample.labels);
    match &sample.value {
        SampleValue::Float(value) => {
            out.extend_from_slice(br#","value":"#);
            push_point(out, sample.timestamp, |out| push_value(out, *value));
        }
        SampleValue::Histogram(histogram) => {
            out.extend_from_slice(br#","histogram":"#);
            push_point(out, sample.timestamp, |out| push_histogram(out, histogram));
        }
    }
    out.push(b'}');
}

fn push_series(out: &mut Vec<u8>, series: &MatrixSeries) {
    out.extend_from_slice(br#"{"metric":"#);
    push_labels(out, &series.labels);
    push_points(out, "values", &series.floats, |out, value| push_value(out, *value));
    push_points(out, "histograms", &series.histograms, |out, histogram| push_histogram(out, histogram));
    out.push(b'}');
}

fn push_points<T>(out: &mut Vec<u8>, name: &str, points: &[(i64, T)], push: impl Fn(&mut Vec<u8>, &T)) {
    if points.is_empty() {
        return;
    }
    push_display(out, format_args!(",\"{name}\":["));
    for (i, (at, value)) in points.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_point(out, *at, |out| push(out, value));
    }
    out.push(b']');
}

fn push_point(out: &mut Vec<u8>, at: i64, push: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    push_timestamp(out, at);
    out.push(b',');
    push(out);
    out.push(b']');
}

/// Prometheus' `stats` object, with two figures more where downsampled data was read. Times are seconds; `waited_s` is the time spent in the queue before evaluation.
pub(crate) fn stats_json(stats: &QueryStats, waited_s: f64) -> Vec<u8> {
    let timings = &stats.timings;
    let mut out = Vec::with_capacity(512);
    push_display(
        &mut out,
        format_args!(
            concat!(
                r#"{{"timings":{{"evalTotalTime":{},"resultSortTime":{},"queryPreparationTime":{},"#,
                r#""innerEvalTime":{},"execQueueTime":{},"execTotalTime":{}}},"samples":{{"#
            ),
            timings.eval_total.as_secs_f64(),
            timings.result_sort.as_secs_f64(),
            timings.prepare.as_secs_f64(),
            timings.inner_eval.as_secs_f64(),
            waited_s,
            waited_s + timings.total.as_secs_f64(),
        ),
    );
    push_steps(&mut out, "totalQueryableSamplesPerStep", stats.total_queryable_samples_per_step.as_deref());
    push_display(&mut out, format_args!("\"totalQueryableSamples\":{},", stats.total_queryable_samples));
    push_steps(&mut out, "samplesReadPerStep", stats.samples_read_per_step.as_deref());
    push_display(
        &mut out,
        format_args!("\"samplesRead\":{},\"peakSamples\":{}", stats.samples_read, stats.peak_samples),
    );
    if stats.downsampled_samples > 0 {
        push_display(
            &mut out,
            format_args!(
                ",\"downsampledSamples\":{},\"longestBucketMs\":{}",
                stats.downsampled_samples, stats.longest_bucket_ms
            ),
        );
    }
    out.extend_from_slice(b"}}");
    out
}

fn push_steps(out: &mut Vec<u8>, name: &str, steps: Option<&[StepStat]>) {
    let Some(steps) = steps.filter(|s| !s.is_empty()) else { return };
    push_display(out, format_args!("\"{name}\":["));
    for (i, step) in steps.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_point(out, step.timestamp, |out| push_integer(out, step.value));
    }
    out.extend_from_slice(b"],");
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Labels;

    fn json(value: Value) -> (serde_json::Value, usize) {
        let answer = QueryAnswer::new(value, None, vec!["w".into()], Vec::new());
        let chunks: Vec<Bytes> = answer.collect();
        (serde_json::from_slice(&chunks.concat()).unwrap(), chunks.len())
    }

    #[test]
    fn all_kinds() {
        assert_eq!(
            json(Value::Scalar(1500, 2.0)).0,
            serde_json::json!({"status":"success","data":{"resultType":"scalar","result":[1.5,"2"]},"warnings":["w"]})
        );
        assert_eq!(json(Value::String(0, "a\"".into())).0["data"]["result"], serde_json::json!([0, "a\""]));
        assert_eq!(json(Value::Vector(vec![])).0["data"]["result"], serde_json::json!([]));
        let series = MatrixSeries {
            labels: Labels::from_pairs([("a", "b")]),
            floats: vec![(0, 1.0), (15_000, f64::NAN)],
            histograms: Vec::new(),
        };
        assert_eq!(
            json(Value::Matrix(vec![series.clone(), series])).0["data"]["result"][1],
            serde_json::json!({"metric":{"a":"b"},"values":[[0,"1"],[15,"NaN"]]})
        );
    }

    #[test]
    fn big_answers_come_in_chunks() {
        let sample = |i: i64| VectorSample {
            labels: Labels::from_pairs([("i", i.to_string())]),
            timestamp: i,
            value: SampleValue::Float(i as f64),
        };
        let (value, chunks) = json(Value::Vector((0..10_000).map(sample).collect()));
        assert_eq!(value["data"]["result"].as_array().unwrap().len(), 10_000);
        assert_eq!(value["data"]["result"][9999]["value"], serde_json::json!([9.999, "9999"]));
        assert!(chunks > 3, "{chunks}");
    }
}
