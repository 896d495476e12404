//! Blocks are plain Parquet files: Parquet's own reader finds the documented columns.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::support::{make, service};
use crate::block::{SeriesHash, WriterOptions, order};

#[test]
fn an_independent_reader_finds_the_columns() {
    let mut series = service(20, 30);
    let rare = (0..250).map(|i| (format!("rare_{i:03}"), "1".to_owned()));
    let own: Vec<(String, String)> =
        order::pairs(&series[0].labels).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    series[0].labels = model::Labels::from_pairs(rare.chain(own));
    let made = make(&mut series, WriterOptions::default());
    let file = std::fs::File::open(&made.path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let sorting = builder.metadata().row_group(0).sorting_columns().unwrap().clone();
    assert!(!sorting.is_empty() && sorting[0].column_idx == 0 && sorting[0].nulls_first);
    let batches: Vec<_> = builder.with_batch_size(1 << 20).build().unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.len(), 1);
    let batch = &batches[0];
    assert_eq!(batch.num_rows(), series.len());
    let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    for (name, wanted) in [
        ("l.__name__", DataType::Utf8),
        ("l.code", DataType::Utf8),
        ("series", DataType::FixedSizeBinary(16)),
        ("min_time", DataType::Int64),
        ("max_time", DataType::Int64),
        ("count", DataType::Int32),
        ("timestamps", DataType::Binary),
        ("values", DataType::Binary),
        ("histograms", DataType::Binary),
        ("start_timestamps", DataType::Binary),
        ("exemplars", DataType::Binary),
        ("metric_type", DataType::Utf8),
        ("help", DataType::Utf8),
    ] {
        assert_eq!(*column(name).data_type(), wanted, "{name}");
    }
    assert!(batch.column_by_name("unit").is_none(), "nothing has a unit");
    assert!(matches!(column("labels_rest").data_type(), DataType::Map(..)));
    for (row, one) in series.iter().enumerate() {
        for label in &one.labels {
            let Some(texts) = batch.column_by_name(&format!("l.{}", label.name)) else { continue };
            assert_eq!(texts.as_string::<i32>().value(row), label.value);
        }
        let absent = one.labels.get("code").is_none();
        assert_eq!(column("l.code").is_null(row), absent);
        let hash = column("series").as_fixed_size_binary().value(row).to_vec();
        assert_eq!(hash, SeriesHash::of(&one.labels).0.to_be_bytes());
        assert_eq!(column("min_time").as_primitive::<Int64Type>().value(row), one.samples.timestamps[0]);
        assert_eq!(column("max_time").as_primitive::<Int64Type>().value(row), one.samples.timestamps[29]);
        assert_eq!(column("count").as_primitive::<Int32Type>().value(row), 30);
    }
    let rest = column("labels_rest").as_map();
    let entries: usize = (0..series.len()).map(|row| rest.value(row).len()).sum();
    let columns = batch.schema().fields().iter().filter(|f| f.name().starts_with("l.")).count();
    assert_eq!((columns, entries), (200, 254 - 200));
}
