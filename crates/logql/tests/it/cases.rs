//! Cases of our own: entries and queries with their answers, in files beside this one.

use std::fmt::Write;
use std::path::PathBuf;

use logql::{Direction, Engine, QueryContext, RangeParams, Value};
use model::Labels;

use crate::memory::{Entry, Help, MemorySource};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn source(page: usize, help: Help) -> MemorySource {
    let mut streams: Vec<(Labels, Vec<Entry>)> = Vec::new();
    for line in read("entries.txt").lines().filter(|line| !line.starts_with('#')) {
        let (seconds, rest) = line.split_once(' ').expect("seconds");
        let (selector, rest) = rest.split_at(rest.find('}').expect("labels") + 2);
        let (metadata, text) = rest.split_once(' ').expect("metadata");
        let matchers = logql::parse_matchers(selector.trim()).expect("labels");
        let labels = Labels::from_pairs(matchers.iter().map(|matcher| (&matcher.name, &matcher.value)));
        let pairs = metadata.split(',').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let time = seconds.parse::<i64>().expect("seconds") * 1_000_000_000;
        streams.push((labels, vec![(time, text.as_bytes().to_vec(), pairs)]));
    }
    MemorySource::new(streams, page, help)
}

fn answer(source: &MemorySource, how: &str, query: &str) -> String {
    let (engine, ctx) = (Engine::default(), QueryContext::default());
    let words: Vec<&str> = how.split_whitespace().collect();
    let nanos = |at: usize| words[at].parse::<i64>().expect("a number") * 1_000_000_000;
    let parsed = match logql::parse(query) {
        Ok(parsed) => parsed,
        Err(error) => return format!("{error}\n"),
    };
    let forward = words.get(1) == Some(&"forward");
    let direction = if forward { Direction::Forward } else { Direction::Backward };
    let result = match words[0] {
        "instant" => engine.query_instant(source, &ctx, &parsed, nanos(1)),
        "logs" => {
            let limit = words[2].parse().expect("a limit");
            let params = RangeParams { start: 0, end: 20_000_000_000, step: 1, interval: 0, limit, direction };
            engine.query_range(source, &ctx, &parsed, &params)
        }
        _ => {
            let params =
                RangeParams { start: nanos(1), end: nanos(2), step: nanos(3), interval: 0, limit: 0, direction };
            engine.query_range(source, &ctx, &parsed, &params)
        }
    };
    let mut text = String::new();
    let mut add = |line: String| writeln!(text, "{}", line.trim_end()).expect("a string takes all");
    match result.map(|result| result.value) {
        Err(error) => add(error.to_string().lines().next().unwrap_or("").to_owned()),
        Ok(Value::Scalar(time, value)) => add(format!("{}={value}", time / 1000)),
        Ok(Value::Vector(vector)) => {
            vector.iter().for_each(|sample| add(format!("{} {}", sample.labels, sample.value)))
        }
        Ok(Value::Matrix(matrix)) => {
            for series in matrix {
                let points: Vec<String> =
                    series.points.iter().map(|(time, value)| format!("{}={value}", time / 1000)).collect();
                add(format!("{} {}", series.labels, points.join(" ")));
            }
        }
        Ok(Value::Streams(streams)) => {
            for stream in streams {
                add(stream.labels.to_string());
                for entry in &stream.entries {
                    let line = String::from_utf8_lossy(&entry.line).escape_debug().to_string();
                    add(format!("  {} {line}", entry.timestamp / 1_000_000_000));
                }
            }
        }
    }
    text
}

#[test]
fn answers_are_those_of_the_file() {
    let file = read("answers.txt");
    let plain = source(2, Help::Plain);
    let mut written = String::new();
    for line in file.lines().take_while(|line| line.starts_with('#')) {
        writeln!(written, "{line}").expect("a string takes all");
    }
    for case in file.lines().filter_map(|line| line.strip_prefix("> ")) {
        let (how, query) = case.split_once(" | ").expect("how | query");
        let text = answer(&plain, how, query);
        for (page, help) in [(1, Help::Columns), (3, Help::Columns), (64, Help::Plain)] {
            assert_eq!(answer(&source(page, help), how, query), text, "{case} in pages of {page} {help:?}");
        }
        write!(written, "\n> {case}\n{text}").expect("a string takes all");
    }
    if std::env::var_os("AFFERENT_BLESS").is_some() {
        std::fs::write(path("answers.txt"), &written).expect("the file can be written");
    } else {
        assert_eq!(written, file, "run with AFFERENT_BLESS=1 and look at what changed");
    }
}
