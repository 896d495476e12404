//! Thousands of series with few lines each: answered within little memory, as by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use logql::{Direction, Engine, EngineOptions, QueryContext, QueryError, RangeParams, Value};
use model::{Labels, MemoryPool};

use crate::memory::{Entry, Help, MemorySource};

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;
const STEP: i64 = 14 * SECOND;
const STEPS: i64 = 257;
const INTERVAL: i64 = 300 * SECOND;
const SERIES: i64 = 6000;

/// The times and values of the lines of a series: in one minute, or all over the hour.
fn lines(series: i64, apart: i64) -> Vec<(i64, i64)> {
    (0..5).map(|n| (START + (series * 37 % 600 + n * apart) * SECOND, (series * 7 + n * 13) % 101)).collect()
}

fn source(apart: i64) -> MemorySource {
    let streams = (0..SERIES).map(|series| {
        let entries = lines(series, apart).into_iter();
        let entries: Vec<Entry> =
            entries.map(|(time, value)| (time, format!("v={value} t={time}").into_bytes(), Vec::new())).collect();
        (Labels::from_pairs([("app", "many"), ("inst", &format!("i-{series:05}"))]), entries)
    });
    MemorySource::new(streams.collect(), 100, Help::Plain)
}

fn ask(source: &MemorySource, bytes: usize, query: &str) -> Result<BTreeMap<String, Vec<(i64, f64)>>, QueryError> {
    let pool: Arc<MemoryPool> = MemoryPool::new(bytes, bytes, None);
    let engine = Engine::new(EngineOptions { memory: pool.clone(), ..EngineOptions::default() });
    let params = RangeParams {
        start: START,
        end: START + STEP * (STEPS - 1),
        step: STEP,
        interval: 0,
        limit: 100,
        direction: Direction::Backward,
    };
    let result = engine.query_range(source, &QueryContext::default(), &logql::parse(query).unwrap(), &params);
    let answer = result.map(|result| {
        let Value::Matrix(matrix) = &result.value else { panic!("{query} is no matrix") };
        let points: usize = matrix.iter().map(|series| series.points.capacity() * size_of::<(i64, f64)>()).sum();
        assert!(pool.used() >= points, "{query}: what is answered is accounted");
        let name = |labels: &Labels| labels.get("inst").unwrap_or("").to_owned();
        matrix.iter().map(|series| (name(&series.labels), series.points.clone())).collect()
    });
    assert_eq!(pool.used(), 0, "{query}: everything is given back");
    answer
}

/// Every series by hand: what `of` makes of the values of a window.
fn by_hand(apart: i64, of: impl Fn(&[f64]) -> f64) -> BTreeMap<String, Vec<(i64, f64)>> {
    let points = |series: i64| {
        let lines = lines(series, apart);
        let window = |step: i64| {
            let end = START + step * STEP;
            let values: Vec<f64> =
                lines.iter().filter(|(at, _)| *at > end - INTERVAL && *at <= end).map(|(_, v)| *v as f64).collect();
            (!values.is_empty()).then(|| (end / 1_000_000, of(&values)))
        };
        (0..STEPS).filter_map(window).collect()
    };
    (0..SERIES).map(|series| (format!("i-{series:05}"), points(series))).collect()
}

fn check(query: &str, have: &BTreeMap<String, Vec<(i64, f64)>>, want: &BTreeMap<String, Vec<(i64, f64)>>) {
    assert!(have.keys().eq(want.keys()), "{query}: {} series, not {}", have.len(), want.len());
    for (name, want) in want {
        let have = &have[name];
        let is_same = have.len() == want.len()
            && have.iter().zip(want).all(|(have, want)| have.0 == want.0 && (have.1 - want.1).abs() < 1e-9);
        assert!(is_same, "{query}: {name} {have:?}\n  want {want:?}");
    }
}

#[test]
fn thousands_of_series_with_few_lines_take_little_memory() {
    for (apart, bytes) in [(12, 12 << 20), (740, 24 << 20)] {
        let source = source(apart);
        let rates = by_hand(apart, |values| values.len() as f64 / 300.0);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let variance =
            |values: &[f64]| values.iter().map(|v| (v - mean(values)).powi(2)).sum::<f64>() / values.len() as f64;
        for (query, want) in [
            (r#"rate({app="many"}[5m])"#, &rates),
            (r#"sum by (inst) (rate({app="many"}[5m]))"#, &rates),
            (r#"max by (inst) (rate({app="many"} |= "v="[5m]))"#, &rates),
            (r#"rate({app="many"}[5m]) > 0"#, &rates),
            (r#"avg_over_time({app="many"} | logfmt | unwrap v [5m]) by (inst)"#, &by_hand(apart, mean)),
            (r#"stdvar_over_time({app="many"} | logfmt | unwrap v [5m]) by (inst)"#, &by_hand(apart, variance)),
            (
                r#"last_over_time({app="many"} | logfmt | unwrap v [5m]) by (inst)"#,
                &by_hand(apart, |values| values[values.len() - 1]),
            ),
            (
                r#"quantile_over_time(1, {app="many"} | logfmt | unwrap v [5m]) by (inst)"#,
                &by_hand(apart, |values| values.iter().copied().fold(0.0, f64::max)),
            ),
        ] {
            let have = ask(&source, bytes, query).unwrap_or_else(|error| panic!("{query}: {error}"));
            check(query, &have, want);
        }
        let top = ask(&source, bytes, r#"topk(5, rate({app="many"}[5m]))"#).unwrap();
        let sums = ask(&source, bytes, r#"sum(rate({app="many"}[5m]))"#).unwrap();
        let (all, top) = (by_time(&rates), by_time(&top));
        assert!(sums[""].len() == all.len() && top.len() == all.len());
        for (time, sum) in &sums[""] {
            let all = &all[time];
            assert!((all.iter().sum::<f64>() - sum).abs() < 1e-6, "{time}");
            assert_eq!(top[time], all[..5.min(all.len())], "{time}");
        }
    }
}

/// The values of all series at each time, greatest first.
fn by_time(series: &BTreeMap<String, Vec<(i64, f64)>>) -> BTreeMap<i64, Vec<f64>> {
    let mut times: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    series.values().flatten().for_each(|(time, value)| times.entry(*time).or_default().push(*value));
    times.values_mut().for_each(|values| values.sort_by(|a, b| b.total_cmp(a)));
    times
}

#[test]
fn who_asks_for_too_much_is_told_what_to_do() {
    let error = ask(&source(12), 1 << 20, r#"rate({app="many"}[5m])"#).unwrap_err().to_string();
    for advice in ["a shorter range", "fewer series", "a longer step", "--memory"] {
        assert!(error.contains(advice), "{error}");
    }
}
