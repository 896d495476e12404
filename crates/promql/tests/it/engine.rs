//! The engine from outside: limits, statistics, what it asks of a store, and that a range query is its instants.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{
    FloatHistogram, LabelRequest, Labels, MemoryPool, Projection, Sample, SampleValue, SelectRequest, SeriesSet,
    SeriesSource, SourceError, Timestamp,
};
use promql::ast::ValueType;
use promql::engine::{CancelFlag, Engine, EngineOptions, QueryContext, QueryError, QueryResult, StepStat, Value};
use promql::testing::MemorySource;
use rand::{RngExt, SeedableRng};

use crate::generate;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

fn floats(step_ms: i64, values: &[f64]) -> Vec<Sample> {
    values.iter().enumerate().map(|(i, v)| Sample::float(Timestamp(i as i64 * step_ms), *v)).collect()
}

/// `requests_total` of two jobs with two instances each, a sample every 15 s for 10 min.
fn requests() -> MemorySource {
    let mut source = MemorySource::new();
    for (i, (job, instance)) in [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")].into_iter().enumerate() {
        let values: Vec<f64> = (0..41).map(|t| f64::from(t) * (i as f64 + 1.0)).collect();
        let name = labels(&[("__name__", "requests_total"), ("job", job), ("instance", instance)]);
        source.append(&name, floats(15_000, &values)).unwrap();
    }
    source
}

fn instant(engine: &Engine, source: &dyn SeriesSource, query: &str, at: i64) -> Result<QueryResult, QueryError> {
    engine.instant(source, &QueryContext::default(), query, Timestamp(at))
}

fn failure(result: Result<QueryResult, QueryError>) -> String {
    result.expect_err("an error is expected").to_string()
}

#[test]
fn sample_limit() {
    let engine = Engine::new(EngineOptions { max_samples: 30, ..EngineOptions::default() });
    let source = requests();
    let too_many = "query processing would load too many samples into memory in query execution";
    assert_eq!(failure(instant(&engine, &source, "rate(requests_total[10m])", 600_000)), too_many);
    assert!(instant(&engine, &source, "rate(requests_total[1m])", 600_000).is_ok());
    let range = |step| {
        engine.range(&source, &QueryContext::default(), "requests_total", Timestamp(0), Timestamp(600_000), step)
    };
    assert_eq!(failure(range(15_000)), too_many);
    assert!(range(120_000).is_ok());
}

#[test]
fn limits_of_bytes() {
    let source = requests();
    let query = "rate(requests_total[10m])";
    let with = |memory: &Arc<MemoryPool>| Engine::new(EngineOptions { memory: memory.clone(), ..Default::default() });
    let small = MemoryPool::new(1 << 20, 100, None);
    let error = instant(&with(&small), &source, query, 600_000).unwrap_err();
    assert!(matches!(error, QueryError::TooManyBytes { limit: 100 }), "{error}");
    assert_eq!(small.used(), 0, "what failed has given everything back");

    let shared = MemoryPool::new(20_000, 20_000, None);
    let engine = with(&shared);
    let held = instant(&engine, &source, "requests_total", 600_000).unwrap();
    let of_one = shared.used();
    assert!((1..5000).contains(&of_one), "{of_one}");
    let mut answers = vec![held];
    let refused = loop {
        match instant(&engine, &source, "requests_total", 600_000) {
            Ok(answer) => answers.push(answer),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, QueryError::OutOfMemory(_)), "{refused}");
    assert_eq!(shared.used(), answers.len() * of_one, "answers hold their memory until they are dropped");
    answers.pop();
    answers.pop();
    assert!(instant(&engine, &source, "requests_total", 600_000).is_ok());
    drop(answers);
    assert_eq!(shared.used(), 0);
    for query in ["sum by (job) (requests_total)", "requests_total + requests_total", "requests_total[5m]", "vector(1)"]
    {
        assert!(instant(&engine, &source, query, 600_000).is_ok(), "{query}");
        assert_eq!(shared.used(), 0, "{query}");
    }
}

#[test]
fn endless_grids_are_refused_at_once() {
    let (engine, source) = (Engine::default(), requests());
    let begin = Instant::now();
    for query in ["requests_total[1000000h:1ms]", "sum_over_time(vector(1)[1000000h:1ms])"] {
        assert!(matches!(instant(&engine, &source, query, 600_000), Err(QueryError::TooManySamples)), "{query}");
    }
    let all_of_time =
        engine.range(&source, &QueryContext::default(), "vector(1)", Timestamp(-(1 << 50)), Timestamp(1 << 50), 1);
    assert!(matches!(all_of_time, Err(QueryError::TooManySamples)));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_single_series_with_endless_windows_is_ended_in_time() {
    // Two million samples in each of ten thousand windows.
    let query = "quantile_over_time(0.5, vector(time())[20d:1s])";
    let range = |context: &QueryContext| {
        let begin = Instant::now();
        let result =
            Engine::default().range(&MemorySource::new(), context, query, Timestamp(0), Timestamp(10_000_000), 1000);
        (failure(result), begin.elapsed())
    };
    let timed = QueryContext { timeout: Some(Duration::from_millis(300)), ..QueryContext::default() };
    let (error, took) = range(&timed);
    assert_eq!(error, "query timed out in expression evaluation");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let context = QueryContext::default();
    let cancel = context.cancel.clone();
    let canceling = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(300));
        cancel.cancel();
    });
    let (error, took) = range(&context);
    canceling.join().unwrap();
    assert_eq!(error, "query was canceled in expression evaluation");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn time_limit_and_cancellation() {
    let source = requests();
    let context = QueryContext { timeout: Some(Duration::ZERO), ..QueryContext::default() };
    let result = Engine::default().instant(&source, &context, "requests_total", Timestamp(0));
    assert_eq!(failure(result), "query timed out in expression evaluation");

    let cancel = CancelFlag::default();
    let context = QueryContext { cancel: cancel.clone(), ..QueryContext::default() };
    cancel.cancel();
    let result = Engine::default().instant(&source, &context, "requests_total", Timestamp(0));
    assert_eq!(failure(result), "query was canceled in expression evaluation");
}

#[test]
fn deep_trees_fit_the_stack() {
    // The deepest trees that the parser lets through, on a thread with as little stack as an async runtime's.
    let deepest = [
        vec!["requests_total"; 900].join(" + "),
        vec!["1"; 900].join(" * "),
        vec!["requests_total"; 900].join(" or "),
        format!("{}requests_total{}", "abs(sum(".repeat(90), "))".repeat(90)),
        format!("{}vector(1){}", "sum_over_time(".repeat(60), "[2m:1m])".repeat(60)),
        format!("{}1", "-".repeat(150)),
    ];
    let evaluate = move || {
        let (engine, source) = (Engine::default(), requests());
        for query in deepest {
            let result = instant(&engine, &source, &query, 600_000);
            assert!(!matches!(result, Err(QueryError::Execution(_))), "{result:?}");
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(evaluate).unwrap().join().unwrap();
}

#[test]
fn bad_queries_are_parse_errors() {
    let (engine, source) = (Engine::default(), requests());
    assert!(matches!(instant(&engine, &source, "sum(", 0), Err(QueryError::Parse(_))));
    let range = |query: &str, step| {
        engine.range(&source, &QueryContext::default(), query, Timestamp(0), Timestamp(60_000), step)
    };
    assert_eq!(
        failure(range("requests_total[5m]", 1000)),
        "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
    );
    assert!(matches!(range("requests_total", 0), Err(QueryError::Parse(_))));
}

#[test]
fn samples_are_counted_as_prometheus_counts_them() {
    let (engine, source) = (Engine::default(), requests());
    let context = QueryContext { per_step_stats: true, ..QueryContext::default() };
    let query = "rate(requests_total{job=\"a\",instance=\"1\"}[1m])";
    let result = engine.range(&source, &context, query, Timestamp(60_000), Timestamp(120_000), 30_000).unwrap();
    // A window of a minute holds four samples; each further step reads the two that are new.
    let by_step = |values: [u64; 3]| {
        let stats = values.into_iter().zip([60_000, 90_000, 120_000]);
        Some(stats.map(|(value, timestamp)| StepStat { timestamp, value }).collect::<Vec<_>>())
    };
    assert_eq!(result.stats.total_queryable_samples_per_step, by_step([4, 4, 4]));
    assert_eq!(result.stats.samples_read_per_step, by_step([4, 2, 2]));
    assert_eq!((result.stats.total_queryable_samples, result.stats.samples_read), (12, 8));
    assert!(result.stats.peak_samples >= 3);

    let pinned =
        engine.range(&source, &context, "requests_total @ 60", Timestamp(60_000), Timestamp(120_000), 30_000).unwrap();
    assert_eq!((pinned.stats.total_queryable_samples, pinned.stats.samples_read), (12, 4));
}

/// Remembers which labels it was asked for.
struct Spy {
    inner: MemorySource,
    projections: Mutex<Vec<Option<Projection>>>,
}

impl SeriesSource for Spy {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        self.projections.lock().unwrap().push(request.projection.cloned());
        self.inner.select(request)
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        self.inner.label_names(request)
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        self.inner.label_values(name, request)
    }

    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        self.inner.series(request)
    }
}

#[test]
fn aggregations_ask_only_for_the_labels_they_read() {
    let engine = Engine::default();
    let only = |names: &[&str]| Some(Projection::Only(names.iter().map(|n| (*n).to_owned()).collect()));
    for (query, wanted) in [
        ("sum by (job) (rate(requests_total[5m]))", only(&["job"])),
        ("count(requests_total)", only(&["__name__"])),
        ("max without (instance) (requests_total)", Some(Projection::Without(vec!["instance".to_owned()]))),
        ("topk(1, requests_total)", None),
        ("requests_total", None),
        // Series of several metrics could become equal, which must be seen.
        ("sum(rate({job=\"a\"}[5m]))", None),
    ] {
        let spy = Spy { inner: requests(), projections: Mutex::new(Vec::new()) };
        let result = instant(&engine, &spy, query, 600_000).unwrap();
        assert_eq!(*spy.projections.lock().unwrap(), [wanted], "{query}");
        let plain = instant(&engine, &requests(), query, 600_000).unwrap();
        assert_eq!(result.value, plain.value, "{query}");
        assert_eq!(result.annotations, plain.annotations, "{query}");
    }
}

#[test]
fn names_that_vanish_must_not_make_series_equal() {
    let mut source = MemorySource::new();
    for name in ["a_total", "b_total"] {
        let labels = labels(&[("__name__", name), ("job", "x")]);
        source.append(&labels, floats(15_000, &[1.0, 2.0, 3.0])).unwrap();
    }
    let same = "vector cannot contain metrics with the same labelset";
    for delayed_name_removal in [false, true] {
        let engine = Engine::new(EngineOptions { delayed_name_removal, ..EngineOptions::default() });
        for query in ["rate({job=\"x\"}[1m])", "-{job=\"x\"}", "{job=\"x\"} * 2", "abs({job=\"x\"})"] {
            assert_eq!(failure(instant(&engine, &source, query, 30_000)), same, "{query}");
        }
        let renamed = "label_replace(rate({job=\"x\"}[1m]), \"metric\", \"$1\", \"__name__\", \"(.*)\")";
        assert_eq!(instant(&engine, &source, renamed, 30_000).is_ok(), delayed_name_removal);
    }
}

#[test]
fn many_series_give_the_same_sum_every_time() {
    let mut source = MemorySource::new();
    for i in 0..3000 {
        let name = labels(&[("__name__", "m_total"), ("i", &i.to_string()), ("mod", &(i % 7).to_string())]);
        let values: Vec<f64> = (0..20).map(|t| 0.1 * f64::from(i) * f64::from(t)).collect();
        source.append(&name, floats(15_000, &values)).unwrap();
    }
    let engine = Engine::default();
    let run = || {
        let query = "sum by (mod) (rate(m_total[1m])) / on (mod) count by (mod) (m_total)";
        engine
            .range(&source, &QueryContext::default(), query, Timestamp(60_000), Timestamp(240_000), 15_000)
            .unwrap()
            .value
    };
    let first = run();
    let Value::Matrix(matrix) = &first else { panic!("a matrix") };
    assert_eq!(matrix.len(), 7);
    assert!(matrix.iter().all(|s| s.floats.len() == 13));
    for _ in 0..5 {
        assert_eq!(run(), first);
    }
}

/// Data under the names that the query generator uses: floats with gaps, resets and NaN, histograms of both kinds, and both in
/// one series.
fn assorted(rng: &mut generate::Rng) -> MemorySource {
    let mut source = MemorySource::new();
    let names = ["up", "foo:bar", "sum", "offset", "start", "fill", "by", "step", "max_of", "anchored", "my.metric"];
    for name in names {
        for (job, le) in [("a", "1"), ("a", "+Inf"), ("b", "10")] {
            let kind = rng.random_range(0..4);
            let mut samples = Vec::new();
            let mut total = 0.0;
            for t in 0..60 {
                total += f64::from(rng.random_range(0..5_u32));
                let value = match rng.random_range(0..20) {
                    0 => continue,
                    1 => SampleValue::Float(f64::NAN),
                    2 if kind < 2 => SampleValue::Float(1.0),
                    _ if kind < 2 || (kind == 3 && t % 3 == 0) => SampleValue::Float(total),
                    _ => SampleValue::Histogram(std::sync::Arc::new(FloatHistogram {
                        schema: rng.random_range(0..3),
                        count: total + 1.0,
                        sum: total * 2.5,
                        zero_count: 1.0,
                        zero_threshold: 0.001,
                        positive_spans: vec![model::BucketSpan { offset: 0, length: 2 }],
                        positive_buckets: vec![total / 2.0, total / 2.0],
                        ..FloatHistogram::default()
                    })),
                };
                samples.push(Sample { timestamp: Timestamp(t * 20_000), start_timestamp: None, value });
            }
            let pairs = [("__name__", name), ("job", job), ("le", le), ("b", "x")];
            source.append(&labels(&pairs), samples).unwrap();
        }
    }
    source
}

/// Value of every series at one time, in a form that compares NaN and rounding.
fn at_time(value: &Value, time: i64) -> Vec<String> {
    let round = |v: f64| if v == 0.0 { "0".to_owned() } else { format!("{v:.9e}") };
    let mut lines: Vec<String> = match value {
        Value::Scalar(_, v) => vec![format!("{{}} {}", round(*v))],
        Value::Vector(vector) => vector
            .iter()
            .map(|s| match &s.value {
                SampleValue::Float(v) => format!("{} {}", s.labels, round(*v)),
                SampleValue::Histogram(h) => format!("{} {} {}", s.labels, round(h.count), round(h.sum)),
            })
            .collect(),
        Value::Matrix(matrix) => matrix
            .iter()
            .flat_map(|s| {
                let float = s.floats.iter().find(|(t, _)| *t == time).map(|(_, v)| round(*v));
                let histogram = s.histograms.iter().find(|(t, _)| *t == time);
                let histogram = histogram.map(|(_, h)| format!("{} {}", round(h.count), round(h.sum)));
                float.into_iter().chain(histogram).map(|v| format!("{} {v}", s.labels)).collect::<Vec<_>>()
            })
            .collect(),
        Value::String(..) => Vec::new(),
    };
    lines.sort();
    lines
}

#[test]
fn a_range_query_is_its_instants() {
    // What names the query's own range differs between the two on purpose.
    const CONTEXT: [&str; 5] = ["start()", "end()", "step()", "range()", "sort"];
    let mut rng = generate::Rng::seed_from_u64(0x5eed_1234);
    let engine = Engine::default();
    let times = [400_000_i64, 460_000, 520_000, 580_000];
    let mut compared = 0;
    for round in 0..3000 {
        if round % 50 == 0 {
            rng = generate::Rng::seed_from_u64(round);
        }
        let source = assorted(&mut rng);
        let query = generate::query(&mut rng, ValueType::Vector, 3);
        if CONTEXT.iter().any(|word| query.contains(word)) {
            continue;
        }
        let context = QueryContext::default();
        let range = engine.range(&source, &context, &query, Timestamp(times[0]), Timestamp(times[3]), 60_000);
        let instants: Vec<_> = times.iter().map(|t| instant(&engine, &source, &query, *t)).collect();
        let Ok(range) = range else { continue };
        for (time, instant) in times.iter().zip(instants) {
            let Ok(instant) = instant else { continue };
            assert_eq!(at_time(&range.value, *time), at_time(&instant.value, *time), "{query} at {time}");
            compared += 1;
        }
    }
    assert!(compared > 1000, "only {compared} steps could be compared");
}
