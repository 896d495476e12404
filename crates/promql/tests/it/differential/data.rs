//! Random series of every kind that PromQL tells apart, described by a catalogue that queries are drawn from.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{BucketSpan, CounterResetHint, FloatHistogram, Labels, Sample, SampleValue, Timestamp, stale_nan};
use promql::testing::MemorySource;
use rand::{RngExt, SeedableRng};

use crate::generate::Rng;

/// Time of the first samples, in milliseconds; on no boundary that a query could be aligned to.
pub(super) const START: i64 = 1_700_000_007_000;
/// Time after the last samples. Prometheus starts to compact at three hours.
pub(super) const END: i64 = START + 8_700_000;

/// What the samples of a metric are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Counts up, with resets.
    Counter,
    /// A random walk around zero.
    Gauge,
    /// Small whole numbers with many ties.
    Level,
    /// Whatever a float can be.
    Odd,
    /// Always 1.
    Info,
    /// Cumulative buckets with `le`.
    Buckets,
    /// Cumulative buckets that contradict each other.
    RaggedBuckets,
    /// Native histograms with exponential buckets that count up from a high number, without resets.
    Exponential,
    /// The same with resets, changes of resolution and NaN among the observations.
    Resetting,
    /// Native histograms that are gauges.
    GaugeHistogram,
    /// Native histograms with custom buckets that count up from a high number, without resets.
    Custom,
    /// The same with resets and changing bounds.
    Rebounding,
    /// Floats and histograms in one series.
    Mixed,
}

impl Kind {
    /// True where samples are native histograms, at least some of them.
    pub(super) fn is_histogram(self) -> bool {
        matches!(
            self,
            Kind::Exponential | Kind::Resetting | Kind::GaugeHistogram | Kind::Custom | Kind::Rebounding | Kind::Mixed
        )
    }
}

/// A metric: there is a series for each combination of label values.
pub(super) struct Metric {
    /// Name as a query writes it in front of the braces, or quoted within them.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [(&'static str, &'static [&'static str])],
}

const JOBS: &[&str] = &["api", "db", "web"];
const TWO_JOBS: &[&str] = &["api", "web"];
const INSTANCES: &[&str] = &["a:1", "b:1", "c:1"];
const TWO_INSTANCES: &[&str] = &["a:1", "b:1"];
/// In rising order.
const BOUNDS: &[&str] = &["0.1", "0.5", "1", "2.5", "1e1", "+Inf"];
const RAGGED_BOUNDS: &[&str] = &["-1", "0.5", "1", "1.0", "5", "junk"];

pub(super) const METRICS: &[Metric] = &[
    metric("cpu_seconds_total", Kind::Counter, &[("instance", INSTANCES), ("job", JOBS), ("mode", &["sys", "user"])]),
    metric("custom_latency", Kind::Custom, &[("instance", TWO_INSTANCES), ("job", JOBS)]),
    metric("custom_rebound", Kind::Rebounding, &[("instance", TWO_INSTANCES), ("job", TWO_JOBS)]),
    metric("errors_total", Kind::Counter, &[("instance", INSTANCES), ("job", JOBS)]),
    metric("gauge_latency", Kind::GaugeHistogram, &[("instance", TWO_INSTANCES), ("job", TWO_JOBS)]),
    metric("latency", Kind::Exponential, &[("instance", TWO_INSTANCES), ("job", TWO_JOBS)]),
    metric("latency_bucket", Kind::Buckets, &[("instance", TWO_INSTANCES), ("job", TWO_JOBS), ("le", BOUNDS)]),
    metric("level", Kind::Level, &[("instance", INSTANCES), ("job", JOBS)]),
    metric("mixed", Kind::Mixed, &[("instance", INSTANCES), ("job", TWO_JOBS)]),
    metric("node_info", Kind::Info, &[("instance", INSTANCES), ("version", &["1.2"])]),
    metric("odd", Kind::Odd, &[("instance", INSTANCES), ("job", JOBS)]),
    metric("queue.depth", Kind::Level, &[("host.name", &["x", "y"]), ("job", JOBS)]),
    metric("ragged_bucket", Kind::RaggedBuckets, &[("job", TWO_JOBS), ("le", RAGGED_BOUNDS)]),
    metric(
        "requests_total",
        Kind::Counter,
        &[("code", &["200", "404", "500"]), ("instance", INSTANCES), ("job", JOBS)],
    ),
    metric("rpc_latency", Kind::Resetting, &[("instance", INSTANCES), ("job", JOBS)]),
    metric("target_info", Kind::Info, &[("instance", INSTANCES), ("job", JOBS), ("region", &["eu"])]),
    metric("temperature", Kind::Gauge, &[("instance", INSTANCES), ("job", JOBS), ("zone", &["n", "s"])]),
];

const fn metric(name: &'static str, kind: Kind, labels: &'static [(&'static str, &'static [&'static str])]) -> Metric {
    Metric { name, kind, labels }
}

/// One series with its samples in order of time.
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) samples: Vec<Sample>,
}

/// All series of the catalogue, sorted by labels.
pub(super) fn series(rng: &mut Rng) -> Vec<Series> {
    let mut all = Vec::new();
    for metric in METRICS {
        let mut combinations = vec![vec![("__name__", metric.name)]];
        for (name, values) in metric.labels {
            combinations = combinations
                .iter()
                .flat_map(|c| values.iter().map(|v| c.iter().copied().chain([(*name, *v)]).collect()))
                .collect();
        }
        let seed: u64 = rng.random();
        for pairs in combinations {
            let labels = Labels::from_pairs(pairs);
            let samples = match labels.get("le").and_then(|le| BOUNDS.iter().position(|b| *b == le)) {
                // All buckets of one histogram see the same observations at the same times.
                Some(rank) if metric.kind == Kind::Buckets => {
                    let histogram = labels.without(|name| name == "le");
                    samples(&mut Rng::seed_from_u64(seed ^ histogram.hash64()), metric.kind, rank)
                }
                _ => samples(rng, metric.kind, 0),
            };
            all.push(Series { labels, samples });
        }
    }
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    all
}

/// The same series, for the engine.
pub(super) fn source(series: &[Series]) -> MemorySource {
    let mut source = MemorySource::new();
    for one in series {
        source.append(&one.labels, one.samples.iter().cloned()).unwrap();
    }
    source
}

fn pick<T: Copy>(rng: &mut Rng, options: &[T]) -> T {
    options[rng.random_range(0..options.len())]
}

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

/// When a series is sampled after its first time: regular or not, perhaps late, perhaps ending early, with gaps.
fn times(rng: &mut Rng) -> Vec<i64> {
    let interval = pick(rng, &[15_000, 15_000, 30_000, 30_000, 60_000, 143_000]);
    let jitter = pick(rng, &[0, 0, 1, 400, interval / 2]);
    let gaps = pick(rng, &[0, 0, 0, 2, 10]);
    let late = if chance(rng, 15) { rng.random_range(0..END - START) } else { 0 };
    let begin = START + 1 + late + rng.random_range(0..interval);
    let end = if chance(rng, 15) { rng.random_range(begin..END + interval) } else { END };
    let mut times = Vec::new();
    let mut at = begin;
    while at < end {
        times.push(at + if jitter > 0 { rng.random_range(0..jitter) } else { 0 });
        at += interval * if chance(rng, gaps) { rng.random_range(2..20) } else { 1 };
    }
    times
}

/// `rank` is the place of the series among the buckets of its histogram.
fn samples(rng: &mut Rng, kind: Kind, rank: usize) -> Vec<Sample> {
    let times = times(rng);
    let stale = pick(rng, &[0, 0, 0, 1, 5]);
    let mut next: Box<dyn FnMut(&mut Rng) -> SampleValue> = match kind {
        Kind::Counter => counter(rng),
        Kind::Gauge => gauge(rng),
        Kind::Level => Box::new(|rng| SampleValue::Float(f64::from(rng.random_range(-1..4)))),
        Kind::Odd => odd(rng),
        Kind::Info => Box::new(|_| SampleValue::Float(1.0)),
        Kind::Buckets => bucket(rng, rank),
        Kind::RaggedBuckets => Box::new(|rng| SampleValue::Float(rng.random_range(0.0..9.0))),
        Kind::Exponential | Kind::Resetting | Kind::GaugeHistogram => exponential(rng, kind),
        Kind::Custom | Kind::Rebounding => custom(rng, kind),
        Kind::Mixed => mixed(rng),
    };
    // A stale marker at the start lets all series exist from then on, in one order, and shows nowhere.
    let mut samples = vec![Sample::float(Timestamp(START), stale_nan())];
    for at in times {
        let value = match samples.last().map(|s| &s.value) {
            Some(SampleValue::Histogram(_)) if chance(rng, stale) => {
                let marker = FloatHistogram { sum: stale_nan(), ..FloatHistogram::default() };
                SampleValue::Histogram(Arc::new(marker))
            }
            // Prometheus takes the marker after a float for a histogram's where both came in one request.
            Some(_) if kind != Kind::Mixed && chance(rng, stale) => SampleValue::Float(stale_nan()),
            _ => next(rng),
        };
        samples.push(Sample { timestamp: Timestamp(at), start_timestamp: None, value });
    }
    samples
}

type Next = Box<dyn FnMut(&mut Rng) -> SampleValue>;

fn counter(rng: &mut Rng) -> Next {
    let step = pick(rng, &[1.0, 1.0, 0.1, 1e7]);
    let resets = pick(rng, &[0, 0, 2, 10]);
    let mut total = f64::from(rng.random_range(0..1000)) * step;
    Box::new(move |rng| {
        if chance(rng, resets) {
            total = 0.0;
        }
        total += f64::from(rng.random_range(0..20)) * step;
        SampleValue::Float(total)
    })
}

fn gauge(rng: &mut Rng) -> Next {
    let mut value = f64::from(rng.random_range(-50..50));
    Box::new(move |rng| {
        value += f64::from(rng.random_range(-100..=100)) / 64.0;
        SampleValue::Float(value)
    })
}

fn odd(rng: &mut Rng) -> Next {
    let usual = pick(rng, &[10, 50, 90]);
    Box::new(move |rng| {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 5e-324, -1e-310, 1e300, -1e300, 1e-300, 0.1];
        SampleValue::Float(if chance(rng, usual) { rng.random_range(-9.0..9.0) } else { pick(rng, &odd) })
    })
}

/// Counts the observations that fall into the bucket of that rank or into one before.
fn bucket(rng: &mut Rng, rank: usize) -> Next {
    let mut total = 0.0;
    let resets = pick(rng, &[0, 0, 3]);
    Box::new(move |rng| {
        if chance(rng, resets) {
            total = 0.0;
        }
        for _ in 0..5 {
            if rng.random_range(0..BOUNDS.len()) <= rank {
                total += 1.0;
            }
        }
        SampleValue::Float(total)
    })
}

/// A histogram that takes observations. Its buckets are there from the start: where they were added one by one, Prometheus
/// would give the earlier samples of a chunk empty buckets, which some functions see.
#[derive(Clone, Default)]
struct Growing {
    shape: FloatHistogram,
    positive: BTreeMap<i32, f64>,
    negative: BTreeMap<i32, f64>,
}

impl Growing {
    fn finished(&self) -> SampleValue {
        let side = |buckets: &BTreeMap<i32, f64>| {
            let mut spans: Vec<BucketSpan> = Vec::new();
            let mut next = 0;
            for index in buckets.keys() {
                match spans.last_mut() {
                    Some(span) if *index == next => span.length += 1,
                    _ => spans.push(BucketSpan { offset: index - next, length: 1 }),
                }
                next = index + 1;
            }
            (spans, buckets.values().copied().collect::<Vec<f64>>())
        };
        let (positive_spans, positive_buckets) = side(&self.positive);
        let (negative_spans, negative_buckets) = side(&self.negative);
        let shape = self.shape.clone();
        let h = FloatHistogram { positive_spans, positive_buckets, negative_spans, negative_buckets, ..shape };
        h.validate().unwrap();
        SampleValue::Histogram(Arc::new(h))
    }

    fn observe(&mut self, positive: bool, index: i32, weight: f64) {
        let side = if positive { &mut self.positive } else { &mut self.negative };
        *side.entry(index).or_default() += weight;
        self.shape.count += weight;
        self.shape.sum += weight * f64::from(index) * if positive { 0.75 } else { -0.75 };
    }

    /// One more observation in some bucket.
    fn observe_anywhere(&mut self, rng: &mut Rng) {
        let at = rng.random_range(0..self.positive.len() + self.negative.len());
        let positive = at < self.positive.len();
        let mut indices = self.positive.keys().chain(self.negative.keys());
        let index = *indices.nth(at).unwrap();
        self.observe(positive, index, f64::from(rng.random_range(1..6)));
    }

    /// Nothing but `weight` observations in each bucket.
    fn restart(&mut self, weight: f64) {
        self.shape = FloatHistogram { count: 0.0, sum: 0.0, zero_count: 0.0, ..self.shape.clone() };
        for (positive, side) in [(true, self.positive.clone()), (false, self.negative.clone())] {
            for index in side.into_keys() {
                let side = if positive { &mut self.positive } else { &mut self.negative };
                side.insert(index, 0.0);
                self.observe(positive, index, weight);
            }
        }
    }

    /// Other exponential buckets.
    fn choose_buckets(&mut self, rng: &mut Rng, schemas: &[i32], thresholds: &[f64], weight: f64) {
        self.shape.schema = pick(rng, schemas);
        self.shape.zero_threshold = pick(rng, thresholds);
        let width = 1 << self.shape.schema.clamp(0, 5);
        let negatives = pick(rng, &[0, 0, 4]);
        // Buckets that reach into a zero bucket are counted twice or not at all when resolutions are reconciled, depending on
        // the order of operations, which is not the same in all versions.
        let lower = |index: i32| (f64::from(index - 1) * f64::from(-self.shape.schema).exp2()).exp2();
        let beyond_zero = |(index, _): &(i32, f64)| lower(*index) > 0.03;
        let mut indices =
            |n: usize| (0..n).map(|_| (rng.random_range(-2 * width..4 * width), 0.0)).filter(beyond_zero).collect();
        self.positive = indices(12);
        self.negative = indices(negatives);
        self.restart(weight);
    }

    /// Other custom buckets.
    fn choose_bounds(&mut self, bounds: &[f64], weight: f64) {
        self.shape.schema = -53;
        self.shape.custom_values = bounds.to_vec();
        self.positive = (0..=bounds.len() as i32).map(|index| (index, 0.0)).collect();
        self.restart(weight);
    }
}

fn exponential(rng: &mut Rng, kind: Kind) -> Next {
    let mut growing = Growing::default();
    let (mut resets, mut reshapes, mut nans, mut weight) = (0, 0, 0, 1.0);
    match kind {
        Kind::GaugeHistogram => {
            growing.shape.counter_reset_hint = CounterResetHint::Gauge;
            resets = 50;
        }
        Kind::Resetting => {
            resets = pick(rng, &[0, 2, 10]);
            reshapes = pick(rng, &[0, 0, 3]);
            nans = pick(rng, &[0, 0, 0, 1]);
        }
        _ => weight = 10_000.0,
    }
    growing.choose_buckets(rng, &[-4, -1, 0, 0, 1, 3, 8], &[0.0, 1e-128, 0.001], weight);
    Box::new(move |rng| {
        if chance(rng, resets) {
            growing.restart(weight);
        }
        if chance(rng, reshapes) {
            growing.choose_buckets(rng, &[-2, 0, 1, 2, 5], &[0.0, 1e-128, 0.001], weight);
        }
        for _ in 0..rng.random_range(0..4) {
            growing.observe_anywhere(rng);
        }
        if chance(rng, 20) {
            growing.shape.zero_count += 1.0;
            growing.shape.count += 1.0;
        }
        if chance(rng, nans) {
            growing.shape.count += 1.0;
            growing.shape.sum = f64::NAN;
        }
        growing.finished()
    })
}

fn custom(rng: &mut Rng, kind: Kind) -> Next {
    let bounds: [&[f64]; 4] = [&[0.1, 0.5, 1.0, 2.5, 10.0], &[0.1, 1.0, 10.0], &[-1.0, 0.0, 3.0], &[5.0]];
    let mut growing = Growing::default();
    let (mut resets, mut reshapes, mut weight) = (0, 0, 10_000.0);
    growing.choose_bounds(bounds[0], weight);
    if kind == Kind::Rebounding {
        weight = 1.0;
        growing.choose_bounds(pick(rng, &bounds), weight);
        resets = pick(rng, &[0, 2, 10]);
        reshapes = pick(rng, &[0, 0, 3]);
    }
    Box::new(move |rng| {
        if chance(rng, resets) {
            growing.restart(weight);
        }
        if chance(rng, reshapes) {
            growing.choose_bounds(pick(rng, &bounds), weight);
        }
        for _ in 0..rng.random_range(0..5) {
            growing.observe_anywhere(rng);
        }
        growing.finished()
    })
}

/// Runs of floats, of exponential and of custom histograms.
fn mixed(rng: &mut Rng) -> Next {
    let mut sources = [counter(rng), exponential(rng, Kind::Resetting), custom(rng, Kind::Custom)];
    let turns = pick(rng, &[2, 10, 30]);
    let mut current = 0;
    Box::new(move |rng| {
        if chance(rng, turns) {
            current = rng.random_range(0..sources.len());
        }
        sources[current](rng)
    })
}
