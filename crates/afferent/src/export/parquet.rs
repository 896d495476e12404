//! Plain Parquet: a row for each sample. Staleness markers are written as the NaN that they are, native histograms as JSON with
//! the names of Prometheus' own fields.

use std::fs::File;
use std::sync::Arc;

use arrow_array::builder::{
    Float64Builder, MapBuilder, MapFieldNames, StringBuilder, StringDictionaryBuilder, TimestampMillisecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use model::{BucketSpan, FloatHistogram, Labels, METRIC_NAME, SampleBuffer};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

use super::Output;
use super::families::Family;

/// Rows that are handed over at once.
const BATCH: usize = 1 << 15;

/// A table on its way into a file.
pub(super) struct Parquet {
    writer: ArrowWriter<File>,
    rows: Rows,
}

/// Rows that were not handed over yet.
struct Rows {
    count: usize,
    metrics: StringDictionaryBuilder<Int32Type>,
    labels: MapBuilder<StringBuilder, StringBuilder>,
    timestamps: TimestampMillisecondBuilder,
    values: Float64Builder,
    histograms: StringBuilder,
}

impl Rows {
    fn new() -> Self {
        let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
        Rows {
            count: 0,
            metrics: StringDictionaryBuilder::new(),
            labels: MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new()),
            timestamps: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            values: Float64Builder::new(),
            histograms: StringBuilder::new(),
        }
    }

    fn take(&mut self) -> anyhow::Result<RecordBatch> {
        self.count = 0;
        let columns: [(&str, ArrayRef, bool); 5] = [
            ("metric", Arc::new(self.metrics.finish()), false),
            ("labels", Arc::new(self.labels.finish()), false),
            ("timestamp", Arc::new(self.timestamps.finish()), false),
            ("value", Arc::new(self.values.finish()), true),
            ("histogram", Arc::new(self.histograms.finish()), true),
        ];
        // Said of each column, as it must be the same for every batch.
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }
}

impl Parquet {
    pub(super) fn new(file: File) -> anyhow::Result<Self> {
        let mut rows = Rows::new();
        let schema = rows.take()?.schema();
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
        Ok(Parquet { writer: ArrowWriter::try_new(file, schema, Some(properties))?, rows })
    }

    fn hand_over(&mut self) -> anyhow::Result<()> {
        Ok(self.writer.write(&self.rows.take()?)?)
    }
}

impl Output for Parquet {
    fn begin_family(&mut self, _: &Family) -> anyhow::Result<()> {
        Ok(())
    }

    fn takes_histograms(&self) -> bool {
        true
    }

    fn write(&mut self, labels: &Labels, samples: &SampleBuffer) -> anyhow::Result<usize> {
        for (row, time) in samples.timestamps.iter().enumerate() {
            self.rows.metrics.append(labels.metric_name())?;
            for label in labels.iter().filter(|label| label.name != METRIC_NAME) {
                self.rows.labels.keys().append_value(label.name);
                self.rows.labels.values().append_value(label.value);
            }
            self.rows.labels.append(true)?;
            self.rows.timestamps.append_value(*time);
            let histogram = samples.histogram(row);
            let is_marker = histogram.is_some_and(|histogram| model::is_stale(histogram.sum));
            self.rows.values.append_option(match histogram {
                None => Some(samples.values[row]),
                Some(_) => is_marker.then(model::stale_nan),
            });
            self.rows.histograms.append_option(histogram.filter(|_| !is_marker).map(|histogram| json(histogram)));
            self.rows.count += 1;
            if self.rows.count == BATCH {
                self.hand_over()?;
            }
        }
        Ok(samples.len())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<File> {
        self.hand_over()?;
        Ok(self.writer.into_inner()?)
    }
}

/// All fields of a histogram. What JSON has no number for is text: `"NaN"`, `"+Inf"`, `"-Inf"`.
fn json(histogram: &FloatHistogram) -> String {
    let number = |value: f64| match value.is_finite() {
        true => json!(value),
        false => json!(model::float::format_f(value)),
    };
    let numbers = |values: &[f64]| values.iter().map(|value| number(*value)).collect::<Value>();
    let spans = |spans: &[BucketSpan]| {
        spans.iter().map(|span| json!({ "offset": span.offset, "length": span.length })).collect::<Value>()
    };
    let fields = json!({
        "schema": histogram.schema,
        "count": number(histogram.count),
        "sum": number(histogram.sum),
        "zero_threshold": number(histogram.zero_threshold),
        "zero_count": number(histogram.zero_count),
        "positive_spans": spans(&histogram.positive_spans),
        "positive_buckets": numbers(&histogram.positive_buckets),
        "negative_spans": spans(&histogram.negative_spans),
        "negative_buckets": numbers(&histogram.negative_buckets),
        "custom_values": numbers(&histogram.custom_values),
    });
    fields.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn native_histograms_are_json_beside_the_values() {
        let mut samples = SampleBuffer::default();
        samples.push_float(1, 0.5);
        let histogram = FloatHistogram {
            schema: 3,
            count: 4.0,
            sum: f64::INFINITY,
            positive_spans: vec![BucketSpan { offset: -1, length: 2 }],
            positive_buckets: vec![1.0, 3.0],
            ..FloatHistogram::default()
        };
        samples.push_histogram(2, Arc::new(histogram));
        samples.push_histogram(3, Arc::new(FloatHistogram { sum: model::stale_nan(), ..FloatHistogram::default() }));
        let file = tempfile::tempfile().unwrap();
        let mut output = Box::new(Parquet::new(file.try_clone().unwrap()).unwrap());
        assert_eq!(output.write(&Labels::from_pairs([(METRIC_NAME, "h"), ("a", "b")]), &samples).unwrap(), 3);
        output.finish().unwrap();
        let batch = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().next().unwrap().unwrap();
        let values = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>().clone();
        assert_eq!((values.value(0), values.is_null(1)), (0.5, true));
        assert!(model::is_stale(values.value(2)));
        let histograms = batch.column_by_name("histogram").unwrap().as_string::<i32>().clone();
        assert!(histograms.is_null(0) && histograms.is_null(2));
        let read: Value = serde_json::from_str(histograms.value(1)).unwrap();
        assert_eq!((&read["schema"], &read["sum"]), (&json!(3), &json!("+Inf")));
        assert_eq!(read["positive_spans"], json!([{ "offset": -1, "length": 2 }]));
        assert_eq!(read["positive_buckets"], json!([1.0, 3.0]));
    }
}
