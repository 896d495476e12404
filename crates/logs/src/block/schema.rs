//! The columns of a block, for readers of Parquet.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{Type, TypePtr};

/// What a label column's name begins with.
pub(super) const LABEL_PREFIX: &str = "l.";
/// Most labels with a column of their own.
pub(super) const MOST_LABEL_COLUMNS: usize = 200;
/// The map of labels that have no column.
pub(super) const LABELS_REST: &str = "labels_rest";
/// Times of the first and last entry, in nanoseconds.
pub(super) const TIMES: [&str; 2] = ["min_time", "max_time"];
/// Entries, bytes of their lines, bytes of their metadata.
pub(super) const COUNTS: [&str; 3] = ["count", "line_bytes", "metadata_bytes"];
/// The entries themselves, and what they cannot contain.
pub(super) const PAYLOADS: [&str; 2] = ["page", "filter"];

/// The schema of a file with these labels.
pub(super) fn schema(labels: &[String], rest: bool) -> Result<TypePtr> {
    let mut fields = Vec::new();
    for name in labels {
        fields.push(Arc::new(text(&format!("{LABEL_PREFIX}{name}"), Repetition::OPTIONAL)?));
    }
    if rest {
        fields.push(Arc::new(map(LABELS_REST)?));
    }
    for name in TIMES.into_iter().chain(COUNTS) {
        fields.push(Arc::new(plain(name, Physical::INT64)?));
    }
    for name in PAYLOADS {
        fields.push(Arc::new(plain(name, Physical::BYTE_ARRAY)?));
    }
    Ok(Arc::new(Type::group_type_builder("pages").with_fields(fields).build()?))
}

fn plain(name: &str, physical: Physical) -> Result<Type> {
    Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED).build()
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
