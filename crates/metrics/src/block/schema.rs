//! The columns of a block.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{Type, TypePtr};

/// What a label column's name begins with.
pub(super) const LABEL_PREFIX: &str = "l.";
/// Most labels with a column of their own.
pub(super) const MAX_LABEL_COLUMNS: usize = 200;

/// The map of labels that have no column.
pub(super) const LABELS_REST: &str = "labels_rest";
/// 16 bytes, big-endian.
pub(super) const SERIES: &str = "series";
/// Time of the first sample, milliseconds.
pub(super) const MIN_TIME: &str = "min_time";
/// Time of the last sample, milliseconds.
pub(super) const MAX_TIME: &str = "max_time";
/// Number of samples.
pub(super) const COUNT: &str = "count";
/// Times of the samples.
pub(super) const TIMESTAMPS: &str = "timestamps";
/// Values of the float samples.
pub(super) const VALUES: &str = "values";
/// Native histograms.
pub(super) const HISTOGRAMS: &str = "histograms";
/// Start timestamps, one for each sample.
pub(super) const START_TIMESTAMPS: &str = "start_timestamps";
/// What downsampled samples stand for.
pub(super) const AGGREGATES: &str = "aggregates";
/// Exemplars.
pub(super) const EXEMPLARS: &str = "exemplars";
/// Type of the metric family.
pub(super) const METRIC_TYPE: &str = "metric_type";
/// Unit of the metric family.
pub(super) const UNIT: &str = "unit";
/// Help text of the metric family.
pub(super) const HELP: &str = "help";

/// Which columns a file has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Sorted names of labels with a column of their own, the metric name first.
    pub(super) labels: Vec<String>,
    /// Whether there is [`LABELS_REST`].
    pub(super) rest: bool,
    /// Those of the optional columns that the file has.
    pub(super) optional: Vec<&'static str>,
}

impl Shape {
    /// The column of a label name.
    pub(super) fn label(&self, name: &str) -> Option<usize> {
        self.labels.iter().position(|l| l == name)
    }

    /// The Parquet schema.
    pub(super) fn schema(&self) -> Result<TypePtr> {
        let mut fields = Vec::new();
        for name in &self.labels {
            fields.push(Arc::new(text(&format!("{LABEL_PREFIX}{name}"), Repetition::OPTIONAL)?));
        }
        if self.rest {
            fields.push(Arc::new(map(LABELS_REST)?));
        }
        let hash = Type::primitive_type_builder(SERIES, Physical::FIXED_LEN_BYTE_ARRAY);
        fields.push(Arc::new(hash.with_length(16).with_repetition(Repetition::REQUIRED).build()?));
        for name in [MIN_TIME, MAX_TIME] {
            fields.push(Arc::new(plain(name, Physical::INT64, Repetition::REQUIRED)?));
        }
        fields.push(Arc::new(plain(COUNT, Physical::INT32, Repetition::REQUIRED)?));
        for name in [TIMESTAMPS, VALUES] {
            fields.push(Arc::new(plain(name, Physical::BYTE_ARRAY, Repetition::REQUIRED)?));
        }
        for name in &self.optional {
            let field = match *name {
                METRIC_TYPE | UNIT | HELP => text(name, Repetition::OPTIONAL)?,
                name => plain(name, Physical::BYTE_ARRAY, Repetition::OPTIONAL)?,
            };
            fields.push(Arc::new(field));
        }
        Ok(Arc::new(Type::group_type_builder("series_slices").with_fields(fields).build()?))
    }
}

fn plain(name: &str, physical: Physical, repetition: Repetition) -> Result<Type> {
    Type::primitive_type_builder(name, physical).with_repetition(repetition).build()
}

fn text(name: &str, repetition: Repetition) -> Result<Type> {
    Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_repetition(repetition)
        .with_logical_type(Some(LogicalType::String))
        .with_converted_type(ConvertedType::UTF8)
        .build()
}

fn map(name: &str) -> Result<Type> {
    let pair = [text("key", Repetition::REQUIRED)?, text("value", Repetition::REQUIRED)?];
    let entries = Type::group_type_builder("key_value")
        .with_repetition(Repetition::REPEATED)
        .with_fields(pair.into_iter().map(Arc::new).collect())
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::Map))
        .with_converted_type(ConvertedType::MAP)
        .with_fields(vec![Arc::new(entries)])
        .build()
}
