//! Answers of queries as Loki's JSON.

use std::time::Duration;

use hashbrown::HashMap;
use http::HeaderMap;
use logql::{Direction, LogStream, MatrixSeries, QueryResult, QueryStats, Value, VectorSample};
use model::Labels;
use serde_json::json;

use super::answer::LokiError;
use super::query::Found;
use crate::json::{push_integer, push_labels, push_string, push_strings, push_timestamp};

const FLAGS: &str = "x-loki-response-encoding-flags";

/// Whether labels of the stream, structured metadata and labels of the query's stages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Categorize(pub(crate) bool);

impl Categorize {
    /// As the header of a request wants it.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let flags = headers.get(FLAGS).and_then(|value| value.to_str().ok()).unwrap_or("");
        Categorize(flags.split(',').any(|flag| flag.trim() == "categorize-labels"))
    }
}

/// The whole answer.
pub(crate) fn answer(
    result: &QueryResult,
    categorize: Categorize,
    direction: Direction,
    waited: Duration,
) -> Result<Vec<u8>, LokiError> {
    let size = 1024 + size_of_value(&result.value);
    result.reservation.take(size).map_err(|error| LokiError::from(crate::errors::ApiError::from(error)))?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(br#"{"status":"success","data":{"resultType":""#);
    match &result.value {
        Value::Streams(streams) => {
            out.extend_from_slice(br#"streams","#);
            push_flags(&mut out, categorize);
            out.extend_from_slice(br#""result":["#);
            match categorize.0 {
                true => push_categorized(&mut out, streams, direction),
                false => push_streams(&mut out, streams),
            }
        }
        Value::Matrix(series) => {
            out.extend_from_slice(br#"matrix","result":["#);
            push_list(&mut out, series, push_series);
        }
        Value::Vector(samples) => {
            out.extend_from_slice(br#"vector","result":["#);
            push_list(&mut out, samples, push_sample);
        }
        Value::Scalar(time, value) => {
            out.extend_from_slice(br#"scalar","result":["#);
            push_timestamp(&mut out, *time);
            out.push(b',');
            push_float(&mut out, *value);
        }
    }
    out.extend_from_slice(br#"],"stats":"#);
    out.extend_from_slice(stats(&result.stats, waited).as_bytes());
    out.push(b'}');
    if !result.warnings.is_empty() {
        out.extend_from_slice(br#","warnings":"#);
        push_strings(&mut out, &result.warnings);
    }
    out.push(b'}');
    Ok(out)
}

/// Bytes that a value takes as text, roughly.
fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Streams(streams) => streams
            .iter()
            .map(|stream| {
                let lines: usize = stream.entries.iter().map(|entry| entry.line.len() * 5 / 4 + 32).sum();
                stream.labels.encoded_len() * 2 + 64 + lines
            })
            .sum(),
        Value::Matrix(series) => series.iter().map(|s| s.labels.encoded_len() * 2 + 64 + s.points.len() * 24).sum(),
        Value::Vector(samples) => samples.iter().map(|s| s.labels.encoded_len() * 2 + 96).sum(),
        Value::Scalar(..) => 64,
    }
}

fn push_flags(out: &mut Vec<u8>, categorize: Categorize) {
    if categorize.0 {
        out.extend_from_slice(br#""encodingFlags":["categorize-labels"],"#);
    }
}

fn push_list<T>(out: &mut Vec<u8>, items: &[T], push: fn(&mut Vec<u8>, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push(out, item);
    }
}

fn push_series(out: &mut Vec<u8>, series: &MatrixSeries) {
    out.extend_from_slice(br#"{"metric":"#);
    push_labels(out, &series.labels);
    out.extend_from_slice(br#","values":["#);
    push_list(out, &series.points, |out, (time, value)| push_point(out, *time, *value));
    out.extend_from_slice(b"]}");
}

fn push_sample(out: &mut Vec<u8>, sample: &VectorSample) {
    out.extend_from_slice(br#"{"metric":"#);
    push_labels(out, &sample.labels);
    out.extend_from_slice(br#","value":"#);
    push_point(out, sample.timestamp, sample.value);
    out.push(b'}');
}

fn push_point(out: &mut Vec<u8>, time: i64, value: f64) {
    out.push(b'[');
    push_timestamp(out, time);
    out.push(b',');
    push_float(out, value);
    out.push(b']');
}

/// A quoted number in Go's `'f'` format.
fn push_float(out: &mut Vec<u8>, value: f64) {
    let text = match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    };
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// `"<nanoseconds>","<line>"`.
fn push_entry(out: &mut Vec<u8>, time: i64, line: &[u8]) {
    out.push(b'"');
    if time < 0 {
        out.push(b'-');
    }
    push_integer(out, time.unsigned_abs());
    out.extend_from_slice(b"\",");
    push_string(out, &String::from_utf8_lossy(line));
}

fn push_streams(out: &mut Vec<u8>, streams: &[LogStream]) {
    push_list(out, streams, |out, stream| {
        out.extend_from_slice(br#"{"stream":"#);
        push_labels(out, &stream.labels);
        out.extend_from_slice(br#","values":["#);
        push_list(out, &stream.entries, |out, entry| {
            out.push(b'[');
            push_entry(out, entry.timestamp, &entry.line);
            out.push(b']');
        });
        out.extend_from_slice(b"]}");
    });
}

/// Entries by the labels of their streams alone; the others stand with each entry.
fn push_categorized(out: &mut Vec<u8>, streams: &[LogStream], direction: Direction) {
    let mut places: HashMap<&Labels, usize> = HashMap::new();
    let mut groups: Vec<(&Labels, Vec<(usize, usize)>)> = Vec::new();
    for (at, stream) in streams.iter().enumerate() {
        let place = *places.entry(&stream.stream).or_insert_with(|| {
            groups.push((&stream.stream, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.extend((0..stream.entries.len()).map(|entry| (at, entry)));
    }
    for (at, (labels, mut entries)) in groups.into_iter().enumerate() {
        let time = |(stream, entry): &(usize, usize)| streams[*stream].entries[*entry].timestamp;
        match direction {
            Direction::Forward => entries.sort_by_key(time),
            Direction::Backward => entries.sort_by_key(|place| std::cmp::Reverse(time(place))),
        }
        out.extend_from_slice(if at > 0 { br#",{"stream":"# } else { br#"{"stream":"# });
        push_labels(out, labels);
        out.extend_from_slice(br#","values":["#);
        for (at, (stream, entry)) in entries.into_iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",[" } else { b"[" });
            let stream = &streams[stream];
            push_entry(out, stream.entries[entry].timestamp, &stream.entries[entry].line);
            out.extend_from_slice(b",{");
            for (at, (name, labels)) in [("structuredMetadata", &stream.metadata), ("parsed", &stream.parsed)]
                .into_iter()
                .filter(|(_, l)| !l.is_empty())
                .enumerate()
            {
                if at > 0 {
                    out.push(b',');
                }
                push_string(out, name);
                out.push(b':');
                push_labels(out, labels);
            }
            out.extend_from_slice(b"}]");
        }
        out.extend_from_slice(b"]}");
    }
}

fn stats(stats: &QueryStats, waited: Duration) -> String {
    let seconds = stats.execution.as_secs_f64();
    let rate = |amount: u64| if seconds > 0.0 { (amount as f64 / seconds) as u64 } else { 0 };
    json!({
        "summary": {
            "bytesProcessedPerSecond": rate(stats.bytes_processed),
            "linesProcessedPerSecond": rate(stats.lines_processed),
            "totalBytesProcessed": stats.bytes_processed,
            "totalLinesProcessed": stats.lines_processed,
            "execTime": seconds,
            "queueTime": waited.as_secs_f64(),
            "subqueries": 0,
            "totalEntriesReturned": stats.entries_returned,
            "splits": 0,
            "shards": 0,
        },
        "querier": {"store": {"totalChunksRef": stats.pages, "totalChunksDownloaded": stats.pages_read}},
        "ingester": {"totalReached": 1, "totalChunksMatched": stats.pages, "totalLinesSent": stats.entries_returned},
    })
    .to_string()
}

/// Labels, and the entries that have them.
type Group<'a> = (Vec<(&'a str, &'a str)>, Vec<&'a Found>);

/// A message of a live tail.
pub(crate) fn tail_message(found: &[Found], categorize: Categorize, missed: u64) -> Vec<u8> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for entry in found {
        let mut labels: Vec<(&str, &str)> = entry.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        if !categorize.0 {
            labels.extend(entry.metadata.iter().chain(&entry.parsed).map(|(n, v)| (n.as_str(), v.as_str())));
            labels.sort_unstable();
        }
        match groups.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((labels, vec![entry])),
        }
    }
    let mut out = Vec::from(&br#"{"streams":["#[..]);
    for (at, (labels, entries)) in groups.iter().enumerate() {
        out.extend_from_slice(if at > 0 { br#",{"stream":"# } else { br#"{"stream":"# });
        push_pairs(&mut out, labels.iter().copied());
        out.extend_from_slice(br#","values":["#);
        for (at, entry) in entries.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",[" } else { b"[" });
            push_entry(&mut out, entry.time, &entry.line);
            if categorize.0 {
                // Labels by their kind stand with each entry.
                out.extend_from_slice(br#",{"structuredMetadata":"#);
                push_pairs(&mut out, entry.metadata.iter().map(|(n, v)| (n.as_str(), v.as_str())));
                out.extend_from_slice(br#","parsed":"#);
                push_pairs(&mut out, entry.parsed.iter().map(|(n, v)| (n.as_str(), v.as_str())));
                out.push(b'}');
            }
            out.push(b']');
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
    if categorize.0 {
        out.extend_from_slice(br#","encodingFlags":["categorize-labels"]"#);
    }
    if missed > 0 {
        out.extend_from_slice(br#","dropped_entries":[{"labels":{},"timestamp":"0"}]"#);
    }
    out.push(b'}');
    out
}

fn push_pairs<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push(b'{');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_string(out, name);
        out.push(b':');
        push_string(out, value);
    }
    out.push(b'}');
}
