//! What pages tell beside their lines changes how an answer is found, never the answer: random lines and queries, asked of
//! pages without help and of pages with columns and filters.

use logql::{Direction, Engine, QueryContext, RangeParams, Value};
use model::Labels;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::memory::{Entry, Help, MemorySource};

fn entry(rng: &mut StdRng, time: i64) -> Entry {
    let status = [200, 201, 404, 500, 503][rng.random_range(0..5)];
    let level = ["info", "warn", "error"][rng.random_range(0..3)];
    let latencies = if rng.random_bool(0.02) { 4 } else { 3 };
    let latency = ["12ms", "1.5s", "87ms", "bad"][rng.random_range(0..latencies)];
    let user = rng.random_range(0..30);
    let line = match rng.random_range(0..20) {
        0..12 => format!(
            "{{\"status\":{status},\"level\":\"{level}\",\"latency\":\"{latency}\",\"user\":{{\"id\":{user}}},\"size\":\"{user}KB\",\"app\":\"x\"}}"
        ),
        12..18 => format!("status={status} level={level} latency={latency} user_id={user} size={user}KB"),
        18 => format!("plain error {user} line\nwith status {status}"),
        _ => format!("{{\"status\":{status},\"level\":\"{level}\""),
    };
    let metadata = match rng.random_range(0..6) {
        0 => vec![
            ("trace_id".to_owned(), format!("t{}", rng.random_range(0..5))),
            ("level".to_owned(), "debug".to_owned()),
        ],
        1 => vec![("pod".to_owned(), format!("p{}", rng.random_range(0..3)))],
        _ => Vec::new(),
    };
    (time, line.into_bytes(), metadata)
}

fn sources(rng: &mut StdRng, page: usize) -> (MemorySource, MemorySource) {
    let mut streams = Vec::new();
    for i in 0..4 {
        let labels = Labels::from_pairs([("app", ["a", "b"][i % 2]), ("n", &i.to_string())]);
        // Some streams hold one kind of line alone, so that their pages have columns.
        let wanted = [b'{', b's', 0, 0][i];
        let mut time = 0;
        let mut entries: Vec<Entry> = Vec::new();
        while entries.len() < 60 {
            time += rng.random_range(0..3) * 1_000_000_000;
            let next = entry(rng, time);
            let is_whole = next.1.first() != Some(&b'{') || next.1.last() == Some(&b'}');
            let keeps_metadata = i != 0;
            if wanted == 0 || next.1.first() == Some(&wanted) && is_whole {
                entries.push(if keeps_metadata { next } else { (next.0, next.1, Vec::new()) });
            }
        }
        streams.push((labels, entries));
    }
    (MemorySource::new(streams.clone(), page, Help::Plain), MemorySource::new(streams, page, Help::Columns))
}

fn query(rng: &mut StdRng) -> String {
    let pick = |rng: &mut StdRng, all: &[&str]| all[rng.random_range(0..all.len())].to_owned();
    let mut log = pick(rng, &["{app=\"a\"}", "{app=~\"a|b\"}", "{n=\"0\"}", "{n=\"1\"}"]);
    for _ in 0..rng.random_range(0..2) {
        log += &pick(
            rng,
            &[
                " |= \"error\"",
                " != \"warn\"",
                " |~ \"status.{1,3}50[03]\"",
                " |~ \"(?i)ERROR\"",
                " !~ \"(?i)Warn\"",
                " |= \"500\" or \"404\"",
                " != \"nowhere\"",
                " |= \"nowhere\"",
            ],
        );
    }
    let parser = pick(rng, &["", " | json", " | logfmt", " | json", " | logfmt"]);
    log += &parser;
    for _ in 0..rng.random_range(0..3) {
        log += &pick(
            rng,
            &[
                " | status >= 500",
                " | level = \"error\"",
                " | level =~ \"err.*|warn\"",
                " | latency > 80ms",
                " | size > 10KB",
                " | status = 200 or level = \"warn\"",
                " | pod = \"p1\"",
                " | app = \"a\"",
                " | __error__ = \"\"",
                " | user_id < 10, status != 404",
                " | nope != \"x\"",
            ],
        );
    }
    match rng.random_range(0..6) {
        0 => log,
        1 => format!("count_over_time({log} [{}s])", rng.random_range(1..40)),
        2 => format!(
            "sum by ({}) (count_over_time({log} [{}s]))",
            pick(rng, &["app", "level", "status, n", "pod", "user_id"]),
            rng.random_range(1..40)
        ),
        3 => format!(
            "sum ({}({log} [{}s]))",
            pick(rng, &["rate", "bytes_over_time", "count_over_time"]),
            rng.random_range(1..40)
        ),
        4 => format!(
            "{}({log} | unwrap {} [{}s]) by ({})",
            pick(rng, &["max_over_time", "avg_over_time", "stddev_over_time", "quantile_over_time", "last_over_time"]),
            pick(rng, &["status", "user_id", "duration(latency)", "bytes(size)"]),
            rng.random_range(1..40),
            pick(rng, &["app", "level", "n, status"]),
        )
        .replace("quantile_over_time(", "quantile_over_time(0.9, "),
        _ => format!(
            "sum by (level) (sum_over_time({log} | unwrap status | __error__=\"\" [{}s]))",
            rng.random_range(1..40)
        ),
    }
}

fn text(value: Result<Value, String>) -> String {
    match value {
        Err(error) if error.starts_with("pipeline error") => "pipeline error".to_owned(),
        Err(error) => error,
        Ok(Value::Matrix(mut matrix)) => {
            matrix.iter_mut().flat_map(|series| &mut series.points).for_each(|point| point.1 = (point.1 * 1e6).round());
            format!("{matrix:?}")
        }
        Ok(Value::Streams(mut streams)) => {
            streams.sort_by(|a, b| (&a.labels, &a.stream).cmp(&(&b.labels, &b.stream)));
            format!("{streams:?}")
        }
        Ok(other) => format!("{other:?}"),
    }
}

#[test]
fn columns_and_filters_change_no_answer() {
    let mut rng = StdRng::seed_from_u64(5);
    let (engine, ctx) = (Engine::default(), QueryContext::default());
    let mut answers = 0;
    for round in 0..60 {
        let page = [1, 3, 8, 64][round % 4];
        let (plain, columns) = sources(&mut rng, page);
        for _ in 0..25 {
            let query_text = query(&mut rng);
            let query = logql::parse(&query_text).unwrap_or_else(|error| panic!("{query_text}: {error}"));
            let params = RangeParams {
                start: rng.random_range(0..20) * 1_000_000_000,
                end: rng.random_range(40..120) * 1_000_000_000,
                step: rng.random_range(1..30) * 1_000_000_000,
                interval: 0,
                limit: 0,
                direction: if rng.random_bool(0.5) { Direction::Forward } else { Direction::Backward },
            };
            let ask = |source| {
                let result = engine.query_range(source, &ctx, &query, &params);
                text(result.map(|result| result.value).map_err(|error| error.to_string()))
            };
            let (want, have) = (ask(&plain), ask(&columns));
            assert_eq!(have, want, "{query_text} {params:?} pages of {page}");
            answers += usize::from(want.len() > 40);
        }
    }
    assert!(answers > 300, "{answers} queries had something to answer");
}

#[test]
fn a_limit_keeps_the_first_entries_of_the_direction() {
    let mut rng = StdRng::seed_from_u64(6);
    let (engine, ctx) = (Engine::default(), QueryContext::default());
    let (_, source) = sources(&mut rng, 7);
    let query = logql::parse("{app=~\"a|b\"} |= \"status\"").expect("the query is right");
    for direction in [Direction::Forward, Direction::Backward] {
        let times = |limit: usize, interval: i64| {
            let params = RangeParams { start: 0, end: i64::MAX, step: 1, interval, limit, direction };
            let result = engine.query_range(&source, &ctx, &query, &params).expect("it answers");
            let Value::Streams(streams) = result.value else { panic!("not streams") };
            let mut times: Vec<i64> =
                streams.iter().flat_map(|stream| &stream.entries).map(|entry| entry.timestamp).collect();
            times.sort_unstable();
            if direction == Direction::Backward {
                times.reverse();
            }
            times
        };
        let all = times(0, 0);
        for limit in [1, 5, 50, 1000] {
            assert_eq!(times(limit, 0), all[..limit.min(all.len())]);
        }
        let thinned = times(4, 5_000_000_000);
        assert!(thinned.len() == 4 && thinned.windows(2).all(|pair| pair[0].abs_diff(pair[1]) >= 5_000_000_000));
    }
}
