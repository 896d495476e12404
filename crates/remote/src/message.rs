//! The messages of remote write 1.0 (`prometheus.WriteRequest`) and 2.0 (`io.prometheus.write.v2.Request`, 2.0-rc.4), and how
//! series become them. The 2.0 message is also what the outbox keeps.

use std::collections::HashMap;
use std::sync::Arc;

use model::{CounterResetHint, Exemplar, FloatHistogram, Labels, Metadata, MetricType, Sample, SampleValue, Timestamp};
use prost::Message;

use crate::series::Series;

/// `prometheus.WriteRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestV1 {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<SeriesV1>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<FamilyV1>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeriesV1 {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<LabelV1>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<FloatSample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) exemplars: Vec<ExemplarV1>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LabelV1 {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// Field 3 is of version 2 only; at 0 it takes no byte. The value is always written: -0 counts as absent to an encoder that
/// leaves out zeros.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct FloatSample {
    #[prost(double, optional, tag = "1")]
    pub(crate) value: Option<f64>,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
    #[prost(int64, tag = "3")]
    pub(crate) start_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExemplarV1 {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<LabelV1>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FamilyV1 {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) help: String,
    #[prost(string, tag = "5")]
    pub(crate) unit: String,
}

/// A native histogram with float counts; field 17 is of version 2 only.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Histogram {
    #[prost(double, optional, tag = "2")]
    pub(crate) count: Option<f64>,
    #[prost(double, optional, tag = "3")]
    pub(crate) sum: Option<f64>,
    #[prost(sint32, tag = "4")]
    pub(crate) schema: i32,
    #[prost(double, tag = "5")]
    pub(crate) zero_threshold: f64,
    #[prost(double, optional, tag = "7")]
    pub(crate) zero_count: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) negative_spans: Vec<Span>,
    #[prost(double, repeated, tag = "10")]
    pub(crate) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<Span>,
    #[prost(double, repeated, tag = "13")]
    pub(crate) positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(crate) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(crate) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(crate) custom_values: Vec<f64>,
    #[prost(int64, tag = "17")]
    pub(crate) start_timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

/// `io.prometheus.write.v2.Request`. Symbol 0 is the empty text.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestV2 {
    #[prost(string, repeated, tag = "4")]
    pub(crate) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) timeseries: Vec<SeriesV2>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<FloatSample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) exemplars: Vec<ExemplarV2>,
    #[prost(message, optional, tag = "5")]
    pub(crate) metadata: Option<MetadataV2>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExemplarV2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct MetadataV2 {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(uint32, tag = "3")]
    pub(crate) help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) unit_ref: u32,
}

/// Looks up what a metric says of itself.
pub(crate) type Describe<'a> = &'a (dyn Fn(&str) -> Option<Metadata> + Sync);

/// Series as a message of version 1.
pub(crate) fn request_v1(series: &[Series]) -> RequestV1 {
    let labels = |labels: &Labels| {
        labels.iter().map(|l| LabelV1 { name: l.name.to_owned(), value: l.value.to_owned() }).collect::<Vec<_>>()
    };
    let timeseries = series.iter().map(|one| SeriesV1 {
        labels: labels(&one.labels),
        samples: float_samples(one).map(|s| FloatSample { start_timestamp: 0, ..s }).collect(),
        exemplars: one
            .exemplars
            .iter()
            .map(|e| ExemplarV1 { labels: labels(&e.labels), value: e.value, timestamp: exemplar_time(e) })
            .collect(),
        histograms: histograms(one).map(|h| Histogram { start_timestamp: 0, ..h }).collect(),
    });
    RequestV1 { timeseries: timeseries.collect(), metadata: Vec::new() }
}

/// Series as a message of version 2.
pub(crate) fn request_v2(series: &[Series], describe: Describe<'_>) -> RequestV2 {
    let mut symbols = Symbols::new();
    let timeseries = series.iter().map(|one| {
        let metadata = describe(one.labels.metric_name());
        SeriesV2 {
            labels_refs: symbols.refs(&one.labels),
            samples: float_samples(one).collect(),
            histograms: histograms(one).collect(),
            exemplars: one
                .exemplars
                .iter()
                .map(|e| ExemplarV2 {
                    labels_refs: symbols.refs(&e.labels),
                    value: e.value,
                    timestamp: exemplar_time(e),
                })
                .collect(),
            metadata: metadata.map(|m| MetadataV2 {
                kind: kind_number(m.metric_type),
                help_ref: symbols.of(&m.help),
                unit_ref: symbols.of(&m.unit),
            }),
        }
    });
    let timeseries = timeseries.collect();
    RequestV2 { symbols: symbols.texts, timeseries }
}

/// Metric families as a message of version 1.
pub(crate) fn families_v1(families: &[(String, Metadata)]) -> RequestV1 {
    let family = |(name, m): &(String, Metadata)| FamilyV1 {
        kind: kind_number(m.metric_type),
        name: name.clone(),
        help: m.help.clone(),
        unit: m.unit.clone(),
    };
    RequestV1 { timeseries: Vec::new(), metadata: families.iter().map(family).collect() }
}

/// What a message of version 2 holds; `None` where a reference points nowhere.
pub(crate) fn series_of(request: RequestV2) -> Option<Vec<Series>> {
    let symbols = request.symbols;
    let labels = |refs: &[u32]| {
        let text = |at: &u32| symbols.get(*at as usize).map(String::as_str);
        let pairs = refs.chunks_exact(2).map(|pair| Some((text(&pair[0])?, text(&pair[1])?)));
        pairs.collect::<Option<Vec<_>>>().map(Labels::from_pairs)
    };
    let series = request.timeseries.into_iter().map(|one| {
        let floats = one.samples.iter().map(|s| Sample {
            timestamp: Timestamp(s.timestamp),
            start_timestamp: start(s.start_timestamp),
            value: SampleValue::Float(s.value.unwrap_or_default()),
        });
        let histograms = one.histograms.iter().map(|h| Sample {
            timestamp: Timestamp(h.timestamp),
            start_timestamp: start(h.start_timestamp),
            value: SampleValue::Histogram(Arc::new(histogram_of(h))),
        });
        let exemplars = one.exemplars.iter().map(|e| {
            Some(Exemplar {
                labels: labels(&e.labels_refs)?,
                value: e.value,
                timestamp: (e.timestamp != 0).then_some(Timestamp(e.timestamp)),
            })
        });
        Some(Series {
            labels: labels(&one.labels_refs)?,
            samples: floats.chain(histograms).collect(),
            exemplars: exemplars.collect::<Option<Vec<_>>>()?,
        })
    });
    series.collect()
}

fn start(ms: i64) -> Option<Timestamp> {
    (ms != 0).then_some(Timestamp(ms))
}

fn exemplar_time(exemplar: &Exemplar) -> i64 {
    exemplar.timestamp.map_or(0, Timestamp::ms)
}

fn float_samples(series: &Series) -> impl Iterator<Item = FloatSample> {
    series.samples.iter().filter_map(|sample| match sample.value {
        SampleValue::Float(value) => Some(FloatSample {
            value: Some(value),
            timestamp: sample.timestamp.ms(),
            start_timestamp: sample.start_timestamp.map_or(0, Timestamp::ms),
        }),
        SampleValue::Histogram(_) => None,
    })
}

fn histograms(series: &Series) -> impl Iterator<Item = Histogram> {
    series.samples.iter().filter_map(|sample| match &sample.value {
        SampleValue::Float(_) => None,
        SampleValue::Histogram(h) => Some(message_of(h, sample)),
    })
}

fn message_of(h: &FloatHistogram, sample: &Sample) -> Histogram {
    let spans = |spans: &[model::BucketSpan]| {
        spans.iter().map(|s| Span { offset: s.offset, length: s.length }).collect::<Vec<_>>()
    };
    Histogram {
        count: Some(h.count),
        sum: Some(h.sum),
        schema: h.schema,
        zero_threshold: h.zero_threshold,
        zero_count: Some(h.zero_count),
        negative_spans: spans(&h.negative_spans),
        negative_counts: h.negative_buckets.clone(),
        positive_spans: spans(&h.positive_spans),
        positive_counts: h.positive_buckets.clone(),
        reset_hint: match h.counter_reset_hint {
            CounterResetHint::Unknown => 0,
            CounterResetHint::CounterReset => 1,
            CounterResetHint::NotCounterReset => 2,
            CounterResetHint::Gauge => 3,
        },
        timestamp: sample.timestamp.ms(),
        custom_values: h.custom_values.clone(),
        start_timestamp: sample.start_timestamp.map_or(0, Timestamp::ms),
    }
}

fn histogram_of(h: &Histogram) -> FloatHistogram {
    let spans = |spans: &[Span]| {
        spans.iter().map(|s| model::BucketSpan { offset: s.offset, length: s.length }).collect::<Vec<_>>()
    };
    FloatHistogram {
        counter_reset_hint: match h.reset_hint {
            1 => CounterResetHint::CounterReset,
            2 => CounterResetHint::NotCounterReset,
            3 => CounterResetHint::Gauge,
            _ => CounterResetHint::Unknown,
        },
        schema: h.schema,
        zero_threshold: h.zero_threshold,
        zero_count: h.zero_count.unwrap_or_default(),
        count: h.count.unwrap_or_default(),
        sum: h.sum.unwrap_or_default(),
        positive_spans: spans(&h.positive_spans),
        negative_spans: spans(&h.negative_spans),
        positive_buckets: h.positive_counts.clone(),
        negative_buckets: h.negative_counts.clone(),
        custom_values: h.custom_values.clone(),
    }
}

/// The number of a type; the same in both versions.
fn kind_number(kind: MetricType) -> i32 {
    match kind {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

struct Symbols {
    texts: Vec<String>,
    known: HashMap<String, u32>,
}

impl Symbols {
    fn new() -> Self {
        Symbols { texts: vec![String::new()], known: HashMap::from([(String::new(), 0)]) }
    }

    fn of(&mut self, text: &str) -> u32 {
        if let Some(number) = self.known.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.known.insert(text.to_owned(), number);
        number
    }

    fn refs(&mut self, labels: &Labels) -> Vec<u32> {
        labels.iter().flat_map(|l| [self.of(l.name), self.of(l.value)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_version_2_says_all_there_was() {
        let histogram = FloatHistogram {
            counter_reset_hint: CounterResetHint::Gauge,
            schema: 3,
            count: 3.0,
            sum: 7.5,
            zero_count: 1.0,
            zero_threshold: 0.25,
            positive_spans: vec![model::BucketSpan { offset: -2, length: 2 }],
            positive_buckets: vec![0.5, 1.5],
            ..FloatHistogram::default()
        };
        let sample = |t, value| Sample { timestamp: Timestamp(t), start_timestamp: Some(Timestamp(5)), value };
        let series = vec![Series {
            labels: Labels::from_pairs([("__name__", "m"), ("a", "b"), ("b", "a")]),
            samples: vec![
                sample(10, SampleValue::Float(-0.0)),
                sample(20, SampleValue::Histogram(Arc::new(histogram))),
            ],
            exemplars: vec![Exemplar {
                labels: Labels::from_pairs([("trace_id", "b")]),
                value: 1.0,
                timestamp: Some(Timestamp(11)),
            }],
        }];
        let message = request_v2(&series, &|_| None);
        assert_eq!(message.symbols, ["", "__name__", "m", "a", "b", "trace_id"]);
        let bytes = message.encode_to_vec();
        let back = series_of(RequestV2::decode(&*bytes).unwrap()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{series:?}"));
    }

    #[test]
    fn a_reference_to_nowhere_is_noticed() {
        let broken = SeriesV2 { labels_refs: vec![0, 9], ..SeriesV2::default() };
        assert!(series_of(RequestV2 { symbols: vec![String::new()], timeseries: vec![broken] }).is_none());
    }
}
