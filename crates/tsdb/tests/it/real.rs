//! What is read is what Prometheus was given, and what it answers for itself.
//!
//! `floats` was made by `promtool tsdb create-blocks-from openmetrics floats.openmetrics.txt`. `histograms` is a snapshot of a
//! Prometheus 3.5 that scraped itself (native histograms; classic ones as custom buckets; a rule with float histograms) and
//! then deleted four seconds of `go_goroutines`; `histograms.expected.jsonl` is summed up from its own answers.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Labels, SampleBuffer};
use serde_json::Value;
use tsdb::{Block, find_blocks};

use super::{data, read_all};

/// Times and bits of values by the text of the series.
type Floats = BTreeMap<String, Vec<(i64, u64)>>;

/// Reads `name{label="value"} value seconds`, with nothing escaped.
fn written(file: &Path) -> Floats {
    let mut floats = Floats::new();
    for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.rsplitn(3, ' ');
        let ms = (parts.next().unwrap().parse::<f64>().unwrap() * 1000.0).round() as i64;
        let value: f64 = parts.next().unwrap().replace("+Inf", "inf").replace("-Inf", "-inf").parse().unwrap();
        floats.entry(parts.next().unwrap().to_owned()).or_default().push((ms, bits(value)));
    }
    floats
}

fn bits(value: f64) -> u64 {
    if value.is_nan() { 0 } else { value.to_bits() }
}

fn text_of(labels: &Labels) -> String {
    let pairs: Vec<String> =
        labels.iter().filter(|l| l.name != "__name__").map(|l| format!("{}=\"{}\"", l.name, l.value)).collect();
    format!("{}{{{}}}", labels.metric_name(), pairs.join(","))
}

/// Compares blocks with the text that they were made of.
pub(super) fn assert_same(blocks: &Path, text: &Path) {
    let mut read = Floats::new();
    for piece in read_all(blocks).unwrap() {
        assert!(piece.samples.histograms.is_empty());
        let rows = piece.samples.timestamps.iter().copied().zip(piece.samples.values.iter().map(|v| bits(*v)));
        read.entry(text_of(&piece.labels)).or_default().extend(rows);
    }
    assert_eq!(read, written(text));
}

#[test]
fn floats_are_those_that_were_written() {
    assert_same(&data("floats"), &data("floats.openmetrics.txt"));
}

#[test]
fn counts_are_those_of_the_meta_file() {
    for dir in find_blocks(&data("floats")).unwrap() {
        let block = Block::open(&dir).unwrap();
        let samples: usize = block.series().unwrap().map(|piece| piece.unwrap().samples.len()).sum();
        assert_eq!(samples as u64, block.meta().stats.num_samples);
        assert!(block.meta().min_time < block.meta().max_time);
    }
}

#[test]
fn histograms_and_deletions_are_as_prometheus_answers_them() {
    let mut series: BTreeMap<String, SampleBuffer> = BTreeMap::new();
    for piece in read_all(&data("histograms")).unwrap() {
        let all = series.entry(piece.labels.to_string()).or_default();
        (0..piece.samples.len()).for_each(|row| all.push_row(&piece.samples, row));
    }
    let expected = std::fs::read_to_string(data("histograms.expected.jsonl")).unwrap();
    let mut compared = 0;
    for line in expected.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let labels = line["labels"].as_object().unwrap().iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap()));
        let labels = Labels::from_pairs(labels).to_string();
        let all = &series[&labels];
        // The answer knows no staleness markers.
        let rows: Vec<usize> = (0..all.len()).filter(|row| !all.is_stale(*row)).collect();
        assert_eq!(rows.len() as u64, line["n"], "{labels}");
        assert_eq!(rows.iter().map(|row| all.timestamps[*row]).sum::<i64>(), line["times"], "{labels}");
        assert_eq!(all.timestamps[rows[0]], line["first"], "{labels}");
        let last = rows[rows.len() - 1];
        assert_eq!(all.timestamps[last], line["last"], "{labels}");
        let near = |name: &str, value: f64| {
            let wanted = line[name].as_f64().unwrap();
            assert!((value - wanted).abs() <= 1e-9 * wanted.abs().max(1e-9), "{labels} {name}: {value} {wanted}");
        };
        let Some(buckets) = line.get("buckets") else {
            near("total", rows.iter().map(|row| all.values[*row]).sum());
            continue;
        };
        let histograms: Vec<_> = rows.iter().map(|row| all.histogram(*row).unwrap()).collect();
        assert!(histograms.iter().all(|h| h.validate().is_ok()), "{labels}");
        near("total", histograms.iter().map(|h| h.count).sum());
        near("sums", histograms.iter().map(|h| h.sum).sum());
        near("bucket_total", histograms.iter().flat_map(|h| h.all_buckets()).map(|b| b.count).sum());
        let shown: Vec<_> =
            histograms[histograms.len() - 1].all_buckets().into_iter().filter(|b| b.count != 0.0).collect();
        let buckets = buckets.as_array().unwrap();
        assert_eq!(shown.len(), buckets.len(), "{labels}");
        for (bucket, wanted) in shown.iter().zip(buckets) {
            let wanted = |at: usize| match &wanted[at] {
                Value::String(text) => text.parse().unwrap(),
                number => number.as_f64().unwrap(),
            };
            let is_same = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-9 * b.abs();
            assert!(is_same(bucket.lower, wanted(0)) && is_same(bucket.upper, wanted(1)), "{labels} {bucket:?}");
            assert!(is_same(bucket.count, wanted(2)), "{labels} {bucket:?}");
        }
        compared += 1;
    }
    assert_eq!(compared, 10, "series of histograms");
}
