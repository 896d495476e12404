//! What each part of a query read and took: `explain=1` on the query endpoints, and `/api/afferent/v1/explain`, which leaves the
//! answer out. The shape is described in `docs/api.md`.

use std::time::Duration;

use model::Footprint;
use promql::engine::{ExplainNode, ExplainRead, QueryStats};
use serde::Serialize;

use crate::encode::EncodeCost;

/// What is told of a query.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    seconds: Stages,
    encoded_bytes: u64,
    samples_read: u64,
    peak_samples: u64,
    tree: Option<Node>,
    /// The tree for people.
    lines: Vec<String>,
}

#[derive(Serialize)]
struct Stages {
    queued: f64,
    parse: f64,
    prepare: f64,
    evaluate: f64,
    sort: f64,
    encode: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    kind: &'static str,
    text: String,
    steps: usize,
    series: u64,
    samples: u64,
    total_seconds: f64,
    own_seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reads: Vec<Read>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<Node>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    selector: String,
    start: i64,
    end: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<String>,
    series: u64,
    samples: u64,
    decoded_bytes: u64,
    select_seconds: f64,
    decode_seconds: f64,
    stored: Stored,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    head_series: u64,
    blocks_read: u64,
    blocks_skipped: u64,
    rows: u64,
    pages_read: u64,
    pages_skipped: u64,
    bytes: u64,
}

impl Explanation {
    /// `tree` is `None` for literals, which nothing is evaluated for.
    pub(crate) fn new(tree: Option<&ExplainNode>, stats: &QueryStats, waited: Duration, encoding: EncodeCost) -> Self {
        let timings = &stats.timings;
        Explanation {
            seconds: Stages {
                queued: waited.as_secs_f64(),
                parse: timings.parse.as_secs_f64(),
                prepare: timings.prepare.as_secs_f64(),
                evaluate: timings.inner_eval.as_secs_f64(),
                sort: timings.result_sort.as_secs_f64(),
                encode: encoding.time.as_secs_f64(),
            },
            encoded_bytes: encoding.bytes,
            samples_read: stats.samples_read,
            peak_samples: stats.peak_samples,
            tree: tree.map(node),
            lines: tree.map(ExplainNode::lines).unwrap_or_default(),
        }
    }
}

fn node(noted: &ExplainNode) -> Node {
    Node {
        kind: noted.kind,
        text: noted.text.clone(),
        steps: noted.steps,
        series: noted.series,
        samples: noted.samples,
        total_seconds: noted.total.as_secs_f64(),
        own_seconds: noted.own.as_secs_f64(),
        reads: noted.reads.iter().map(read).collect(),
        children: noted.children.iter().map(node).collect(),
    }
}

fn read(noted: &ExplainRead) -> Read {
    let Footprint { head_series, blocks_read, blocks_skipped, rows, pages_read, pages_skipped, bytes } = noted.stored;
    Read {
        selector: noted.selector.clone(),
        start: noted.range_ms.0,
        end: noted.range_ms.1,
        labels: noted.labels.clone(),
        series: noted.series,
        samples: noted.samples,
        decoded_bytes: noted.decoded_bytes,
        select_seconds: noted.select.as_secs_f64(),
        decode_seconds: noted.decode.as_secs_f64(),
        stored: Stored { head_series, blocks_read, blocks_skipped, rows, pages_read, pages_skipped, bytes },
    }
}
