//! `index/stats`, `index/volume`, `index/volume_range` and `index/shards`: how much there is, told by the heads of pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use model::{Labels, MatchOp, Matcher, NanoRange, Tenant};
use serde_json::json;

use super::answer::{Answer, LokiError, json as json_answer};
use super::lookup::{self, Reading};
use super::measure::{amount, entries_before, share};
use super::times;
use crate::json::{push_labels, push_string};
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

/// Streams, pages, entries and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) streams: u64,
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

/// What a selector finds in a range.
pub(crate) fn stats_of(
    reading: &Reading,
    tenant: &Tenant,
    matchers: &[Matcher],
    range: NanoRange,
) -> Result<Stats, LokiError> {
    let mut stats = Stats::default();
    let streams = reading.select(tenant, matchers, range)?;
    for index in 0..streams.len() {
        reading.check()?;
        let entries_before = stats.entries;
        for page in streams.pages(index)? {
            let found = amount(page.as_ref(), range)?;
            stats.chunks += u64::from(found.entries > 0);
            stats.entries += found.entries;
            stats.bytes += found.bytes;
        }
        stats.streams += u64::from(stats.entries > entries_before);
    }
    Ok(stats)
}

/// The matchers of `query`, which must select something.
fn required(params: &Params) -> Result<Vec<Matcher>, LokiError> {
    let text = params.get("query");
    if text.is_empty() {
        return Err(LokiError::bad("parse error : syntax error: unexpected $end"));
    }
    lookup::matchers(text)
}

pub(crate) async fn stats(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let range = times::ordered_bounds(&params, logs.intake.now())?;
    let matchers = required(&params)?;
    let stats = lookup::run(&logs, move |reading| stats_of(reading, &tenant.0, &matchers, range)).await?;
    let Stats { streams, chunks, bytes, entries } = stats;
    Ok(json_answer(json!({"streams": streams, "chunks": chunks, "bytes": bytes, "entries": entries}).to_string()))
}

/// One shard: a single process divides nothing.
pub(crate) async fn shards(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let range = times::ordered_bounds(&params, logs.intake.now())?;
    let matchers = required(&params)?;
    let stats = lookup::run(&logs, move |reading| stats_of(reading, &tenant.0, &matchers, range)).await?;
    let Stats { streams, chunks, bytes, entries } = stats;
    let shard = json!({
        "bounds": {"min": "0", "max": "ffffffffffffffff"},
        "stats": {"streams": streams, "chunks": chunks, "bytes": bytes, "entries": entries},
    });
    Ok(json_answer(json!({"shards": [shard], "statistics": {}}).to_string()))
}

/// By which labels volumes are summed up.
enum Grouping {
    /// By the values of some labels, or of all.
    Series(Option<Vec<String>>),
    /// By the names of some labels, or of all.
    Names(Option<Vec<String>>),
}

/// A question for volumes.
struct Volume {
    range: NanoRange,
    matchers: Vec<Matcher>,
    grouping: Grouping,
    limit: usize,
}

impl Volume {
    fn read(logs: &Logs, tenant: &Tenant, params: &Params) -> Result<Volume, LokiError> {
        let config = logs.intake.config();
        let limits = config.limits_of(tenant);
        if !limits.volume_enabled {
            return Err(LokiError::new(http::StatusCode::NOT_FOUND, "not found"));
        }
        let range = times::ordered_bounds(params, logs.intake.now())?;
        let mut matchers = required(params)?;
        let targets: Vec<String> =
            params.get("targetLabels").split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mut labels = Some(targets.clone()).filter(|labels| !labels.is_empty());
        if labels.is_none() && !matchers.is_empty() {
            labels = Some(matchers.iter().map(|matcher| matcher.name.clone()).collect());
        }
        for target in &targets {
            if !matchers.iter().any(|matcher| matcher.name == *target) {
                matchers.push(Matcher::new(target, MatchOp::Regex, ".+").map_err(|e| LokiError::bad(e.to_string()))?);
            }
        }
        let grouping = match params.get("aggregateBy") {
            "" | "series" => Grouping::Series(labels),
            "labels" => Grouping::Names(labels),
            other => return Err(LokiError::bad(format!("invalid aggregation option: {other:?}"))),
        };
        let limit = times::positive(params, "limit", 100)?;
        let most = limits.volume_max_series;
        if most > 0 && limit > most {
            return Err(LokiError::bad(format!("limit must be at most volume_max_series ({limit} > {most})")));
        }
        Ok(Volume { range, matchers, grouping, limit: limit as usize })
    }

    /// The sums that a stream adds to.
    fn groups(&self, labels: &Labels) -> Vec<Labels> {
        let is_wanted = |wanted: &Option<Vec<String>>, name: &str| {
            wanted.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name))
        };
        match &self.grouping {
            Grouping::Series(wanted) => vec![labels.without(|name| !is_wanted(wanted, name))],
            Grouping::Names(wanted) => labels
                .iter()
                .filter(|label| is_wanted(wanted, label.name))
                .map(|label| Labels::from_pairs([(label.name, label.name)]))
                .collect(),
        }
    }

    /// Bytes of each sum in each of the spans, the largest first.
    fn sums(
        &self,
        reading: &Reading,
        tenant: &Tenant,
        spans: &[NanoRange],
    ) -> Result<Vec<(Labels, Vec<u64>)>, LokiError> {
        let mut sums: BTreeMap<Labels, Vec<u64>> = BTreeMap::new();
        let streams = reading.select(tenant, &self.matchers, self.range)?;
        for index in 0..streams.len() {
            reading.check()?;
            let mut of_stream = vec![0_u64; spans.len()];
            for page in streams.pages(index)? {
                let info = page.info();
                let begin = spans.partition_point(|span| span.end <= info.first);
                let end = spans.partition_point(|span| span.start <= info.last);
                if begin + 1 == end {
                    of_stream[begin] += amount(page.as_ref(), spans[begin])?.bytes;
                } else if begin < end {
                    // Spans follow one another, so where one ends the next begins.
                    let edges: Vec<i64> = std::iter::once(spans[begin].start)
                        .chain(spans[begin..end].iter().map(|span| span.end))
                        .collect();
                    let before = entries_before(page.as_ref(), &edges)?;
                    let bytes = info.line_bytes + info.metadata_bytes;
                    for (sum, pair) in of_stream[begin..end].iter_mut().zip(before.windows(2)) {
                        *sum += share(bytes, u64::from(pair[1] - pair[0]), u64::from(info.entries));
                    }
                }
            }
            if of_stream.iter().all(|bytes| *bytes == 0) {
                continue;
            }
            for group in self.groups(&streams.labels(index)) {
                let sum = sums.entry(group).or_insert_with(|| vec![0; spans.len()]);
                sum.iter_mut().zip(&of_stream).for_each(|(sum, bytes)| *sum += bytes);
            }
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.iter().sum::<u64>()));
        sums.truncate(self.limit);
        Ok(sums)
    }
}

/// Labels as JSON; those of a sum by name keep their empty value.
fn push_metric(out: &mut Vec<u8>, volume: &Volume, labels: &Labels, name: Option<&str>) {
    match (&volume.grouping, name) {
        (Grouping::Names(_), Some(name)) => {
            out.push(b'{');
            push_string(out, name);
            out.extend_from_slice(br#":""}"#);
        }
        _ => push_labels(out, labels),
    }
}

fn push_time(out: &mut Vec<u8>, nanoseconds: i64) {
    let milliseconds = nanoseconds.div_euclid(1_000_000);
    let (seconds, rest) = (milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
    let text = if rest == 0 { seconds.to_string() } else { format!("{seconds}.{rest:03}") };
    let text = if rest == 0 { text.as_str() } else { text.trim_end_matches('0') };
    out.extend_from_slice(text.as_bytes());
}

pub(crate) async fn volume(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let volume = Volume::read(&logs, &tenant.0, &params)?;
    lookup::run(&logs, move |reading| {
        let sums = volume.sums(reading, &tenant.0, &[volume.range])?;
        let mut out = Vec::from(&br#"{"status":"success","data":{"resultType":"vector","result":["#[..]);
        for (at, (labels, bytes)) in sums.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"metric":"#);
            push_metric(&mut out, &volume, labels, name_of(labels).as_deref());
            out.extend_from_slice(br#","value":["#);
            push_time(&mut out, volume.range.end);
            out.extend_from_slice(format!(",\"{}\"]}}", bytes[0]).as_bytes());
        }
        Ok(finish(out))
    })
    .await
}

pub(crate) async fn volume_range(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let volume = Volume::read(&logs, &tenant.0, &params)?;
    let step = times::step(&params, volume.range)?;
    let spans = spans(volume.range, step);
    lookup::run(&logs, move |reading| {
        let sums = volume.sums(reading, &tenant.0, &spans)?;
        let mut out = Vec::from(&br#"{"status":"success","data":{"resultType":"matrix","result":["#[..]);
        for (at, (labels, bytes)) in sums.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"metric":"#);
            push_metric(&mut out, &volume, labels, name_of(labels).as_deref());
            out.extend_from_slice(br#","values":["#);
            let mut is_first = true;
            for (span, bytes) in spans.iter().zip(bytes).filter(|(_, bytes)| **bytes > 0) {
                out.extend_from_slice(if is_first { b"[" } else { b",[" });
                is_first = false;
                // The last span ends with the range, the others a millisecond before the next.
                let end = if span.end == volume.range.end { span.end } else { span.end - 1_000_000 };
                push_time(&mut out, end);
                out.extend_from_slice(format!(",\"{bytes}\"]").as_bytes());
            }
            out.extend_from_slice(b"]}");
        }
        Ok(finish(out))
    })
    .await
}

fn finish(mut out: Vec<u8>) -> Response {
    out.extend_from_slice(b"]}}");
    json_answer(out)
}

/// Sums by name are kept under a single label.
fn name_of(labels: &Labels) -> Option<String> {
    labels.iter().next().map(|label| label.name.to_owned())
}

/// The range cut at multiples of the step.
fn spans(range: NanoRange, step: i64) -> Vec<NanoRange> {
    let mut spans = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let end = start.div_euclid(step).saturating_add(1).saturating_mul(step).min(range.end);
        spans.push(NanoRange { start, end });
        start = end;
    }
    spans
}
