//! Plain Parquet: a row for each sample. Staleness markers are written as the NaN that they are.

use std::fs::File;
use std::sync::Arc;

use arrow_array::builder::{
    Float64Builder, MapBuilder, MapFieldNames, StringBuilder, StringDictionaryBuilder, TimestampMillisecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use model::{Labels, METRIC_NAME, SampleBuffer};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

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
        }
    }

    fn take(&mut self) -> anyhow::Result<RecordBatch> {
        self.count = 0;
        let columns: [(&str, ArrayRef); 4] = [
            ("metric", Arc::new(self.metrics.finish())),
            ("labels", Arc::new(self.labels.finish())),
            ("timestamp", Arc::new(self.timestamps.finish())),
            ("value", Arc::new(self.values.finish())),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
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

    fn write(&mut self, labels: &Labels, samples: &SampleBuffer) -> anyhow::Result<usize> {
        for (time, value) in samples.timestamps.iter().zip(&samples.values) {
            self.rows.metrics.append(labels.metric_name())?;
            for label in labels.iter().filter(|label| label.name != METRIC_NAME) {
                self.rows.labels.keys().append_value(label.name);
                self.rows.labels.values().append_value(label.value);
            }
            self.rows.labels.append(true)?;
            self.rows.timestamps.append_value(*time);
            self.rows.values.append_value(*value);
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
