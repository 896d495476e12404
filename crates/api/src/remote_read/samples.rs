//! The answer of raw samples: `prometheus.ReadResponse`.

use model::{CounterResetHint, FloatHistogram, Labels, SampleBuffer};

use super::labels::merged;
use crate::protobuf_out as protobuf;

/// Appends a series (`prometheus.TimeSeries`) to a query's result.
pub(super) fn write_series(out: &mut Vec<u8>, labels: &Labels, external: &Labels, buffer: &SampleBuffer) {
    protobuf::message(out, 1, |out| {
        for (name, value) in merged(labels, external) {
            protobuf::pair(out, 1, name, value);
        }
        let mut histograms = buffer.histograms.iter().peekable();
        for (row, (time, value)) in buffer.timestamps.iter().zip(&buffer.values).enumerate() {
            match histograms.next_if(|(at, _)| *at as usize == row) {
                Some((_, histogram)) => protobuf::message(out, 4, |out| write_histogram(out, *time, histogram)),
                None => protobuf::message(out, 2, |out| {
                    protobuf::double(out, 1, *value);
                    protobuf::int(out, 2, *time);
                }),
            }
        }
    });
}

/// `prometheus.Histogram` with float counts.
fn write_histogram(out: &mut Vec<u8>, time: i64, histogram: &FloatHistogram) {
    protobuf::double(out, 2, histogram.count);
    protobuf::double(out, 3, histogram.sum);
    protobuf::sint(out, 4, i64::from(histogram.schema));
    protobuf::double(out, 5, histogram.zero_threshold);
    protobuf::double(out, 7, histogram.zero_count);
    for (spans, span_field, counts, count_field) in [
        (&histogram.negative_spans, 8, &histogram.negative_buckets, 10),
        (&histogram.positive_spans, 11, &histogram.positive_buckets, 13),
    ] {
        for span in spans {
            protobuf::message(out, span_field, |out| {
                protobuf::sint(out, 1, i64::from(span.offset));
                protobuf::int(out, 2, i64::from(span.length));
            });
        }
        protobuf::doubles(out, count_field, counts);
    }
    let hint = match histogram.counter_reset_hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::CounterReset => 1,
        CounterResetHint::NotCounterReset => 2,
        CounterResetHint::Gauge => 3,
    };
    protobuf::int(out, 14, hint);
    protobuf::int(out, 15, time);
    protobuf::doubles(out, 16, &histogram.custom_values);
}
