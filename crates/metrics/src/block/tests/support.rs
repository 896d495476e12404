//! Rows for tests, and a block made of them in a temporary directory.

use std::path::PathBuf;
use std::sync::Arc;

use blocks::disk::{Disk, RealDisk};
use model::{Exemplar, FloatHistogram, Labels, Metadata, MetricType, SampleBuffer, Tenant, Timestamp};

use crate::block::{Block, BlockEntry, BlockWriter, Caches, SeriesHash, WriterOptions, order};

/// A series on its way into a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) metadata: Option<Metadata>,
    pub(super) samples: SampleBuffer,
    pub(super) exemplars: Vec<Exemplar>,
}

/// A file and the directory that it lies in.
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) entry: BlockEntry,
    _dir: tempfile::TempDir,
}

impl Made {
    pub(super) fn open(&self) -> Arc<Block> {
        let file = RealDisk.open(&self.path).unwrap();
        Arc::new(Block::open(file, self.entry.clone(), Arc::new(Caches::new(64 << 20))).unwrap())
    }
}

/// Sorts the series and writes them.
pub(super) fn make(series: &mut [Series], options: WriterOptions) -> Made {
    series.sort_by(|a, b| order::compare_labels(&a.labels, &b.labels));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block.tmp");
    let mut writer = BlockWriter::create(Arc::new(RealDisk), path.clone(), options).unwrap();
    for one in series.iter() {
        let labels: Vec<(&str, &str)> = order::pairs(&one.labels).collect();
        let hash = SeriesHash::of(&one.labels);
        writer.add(hash, &labels, one.metadata.as_ref(), &one.samples, &one.exemplars).unwrap();
    }
    let entry = BlockEntry::new(7, Tenant::default(), 1, Timestamp(5));
    let entry = writer.finish(entry).unwrap();
    Made { path, entry, _dir: dir }
}

/// A text that differs wherever samples differ in a bit.
pub(super) fn exact(samples: &SampleBuffer) -> Vec<String> {
    let starts = |row: usize| samples.start_timestamps.get(row).copied().unwrap_or(0);
    (0..samples.len())
        .map(|row| {
            let value = match samples.histogram(row) {
                Some(histogram) => exact_histogram(histogram),
                None => samples.values[row].to_bits().to_string(),
            };
            let aggregate = samples
                .aggregate(row)
                .map(|a| (a.count, [a.sum, a.min, a.max, a.lost].map(f64::to_bits), a.resets, a.changes, a.span_ms));
            format!("{} {} {value} {aggregate:?}", samples.timestamps[row], starts(row))
        })
        .collect()
}

fn exact_histogram(h: &FloatHistogram) -> String {
    let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let scalars = bits(&[h.zero_threshold, h.zero_count, h.count, h.sum]);
    let lists = [bits(&h.positive_buckets), bits(&h.negative_buckets), bits(&h.custom_values)];
    format!("{:?}", (h.counter_reset_hint, h.schema, &h.positive_spans, &h.negative_spans, scalars, lists))
}

/// A few hundred series of several metrics and targets: floats, histograms, exemplars, start timestamps, metadata.
pub(super) fn service(targets: usize, samples: usize) -> Vec<Series> {
    let mut out = Vec::new();
    for target in 0..targets {
        let instance = format!("10.0.0.{target}:9090");
        let job = if target.is_multiple_of(2) { "api" } else { "db" };
        for (number, name) in ["http_requests_total", "memory_bytes", "latency", "up"].into_iter().enumerate() {
            let mut one = Series::default();
            let mut labels = vec![("__name__", name), ("instance", instance.as_str()), ("job", job)];
            if number == 0 {
                labels.push(("code", ["200", "500"][target % 2]));
            }
            one.labels = Labels::from_pairs(labels);
            for i in 0..samples {
                let time = 1_700_000_000_000 + i as i64 * 15_000 + target as i64;
                match number {
                    2 => {
                        let (count, buckets) = (i as f64 * 3.0, vec![i as f64, 2.0 * i as f64]);
                        let spans = vec![model::BucketSpan { offset: 1, length: 2 }];
                        let histogram = FloatHistogram {
                            count,
                            positive_buckets: buckets,
                            positive_spans: spans,
                            ..FloatHistogram::default()
                        };
                        one.samples.push_histogram(time, Arc::new(histogram));
                    }
                    0 => {
                        one.samples.push_float(time, (i * (target + 1)) as f64);
                        one.samples.set_last_start(1_600_000_000_000);
                        one.exemplars.push(Exemplar {
                            labels: Labels::from_pairs([("trace_id", format!("{i:x}"))]),
                            value: 0.25,
                            timestamp: Some(Timestamp(time)),
                        });
                    }
                    _ => one.samples.push_float(time, (i * 7919 % 1000) as f64 / 10.0),
                }
            }
            let help = format!("Help of {name}.");
            one.metadata =
                (number != 3).then(|| Metadata { metric_type: MetricType::Gauge, help, unit: String::new() });
            out.push(one);
        }
    }
    out
}
