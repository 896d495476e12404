//! What a query says of its own work.

use std::time::Duration;

use model::{Labels, Sample, Timestamp};
use promql::engine::{Engine, ExplainNode, QueryContext};
use promql::testing::MemorySource;

/// `requests_total` of two jobs with two instances each, a sample every 15 s for 10 min.
fn requests() -> MemorySource {
    let mut source = MemorySource::new();
    for (job, instance) in [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")] {
        let name = Labels::from_pairs([("__name__", "requests_total"), ("job", job), ("instance", instance)]);
        let samples: Vec<Sample> = (0..41).map(|t| Sample::float(Timestamp(t * 15_000), t as f64)).collect();
        source.append(&name, samples).unwrap();
    }
    source
}

fn explain(query: &str) -> ExplainNode {
    let context = QueryContext { explain: true, ..QueryContext::default() };
    let (start, end) = (Timestamp(300_000), Timestamp(600_000));
    let result = Engine::default().range(&requests(), &context, query, start, end, 60_000).unwrap();
    *result.explain.expect("an explanation")
}

/// A node without its times: indentation, kind, text, steps, series, samples, and what it read.
fn shape(node: &ExplainNode, depth: usize, out: &mut Vec<String>) {
    let reads: Vec<String> = node
        .reads
        .iter()
        .map(|r| format!(" <- {} {:?} {:?} {}/{}", r.selector, r.range_ms, r.labels, r.series, r.samples))
        .collect();
    let (steps, series, samples) = (node.steps, node.series, node.samples);
    let reads = reads.concat();
    out.push(format!("{}{} {} {steps}/{series}/{samples}{reads}", "  ".repeat(depth), node.kind, node.text));
    node.children.iter().for_each(|child| shape(child, depth + 1, out));
}

fn shapes(query: &str) -> Vec<String> {
    let mut out = Vec::new();
    shape(&explain(query), 0, &mut out);
    out
}

#[test]
fn the_tree_says_what_each_node_read_and_gave() {
    assert_eq!(
        shapes("sum by (job) (rate(requests_total[1m])) > 2 * (1)"),
        [
            "binary operation sum by (job) (rate(requests_total[1m])) > 2 * (1) 6/0/0",
            "  aggregation sum by (job) (rate(requests_total[1m])) 6/2/12",
            "    range function rate(requests_total[1m]) 6/4/24 <- requests_total (240001, 600000) \
             Some(\"only (job)\") 4/96",
            "  binary operation 2 * (1) 1/1/1",
        ]
    );
    assert_eq!(
        shapes("max_over_time(requests_total[2m:1m]) - on (job, instance) (requests_total @ 30 offset 15s)"),
        [
            "binary operation max_over_time(requests_total[2m:1m]) - on (job, instance) (requests_total @ 30 offset 15s) \
             6/4/24",
            "  range function max_over_time(requests_total[2m:1m]) 6/4/24",
            "    selector requests_total 7/4/28 <- requests_total (-59999, 600000) None 4/164",
            "  selector requests_total @ 30 offset 15s 1/4/4 <- requests_total @ 30.000 offset 15s (-284999, 15000) \
             None 4/8",
        ]
    );
}

#[test]
fn times_add_up_and_nothing_is_noted_unasked() {
    fn check(node: &ExplainNode) {
        let below: Duration = node.children.iter().map(|child| child.total).sum();
        assert!(node.total >= below, "{node:?}");
        assert!(node.own <= node.total, "{node:?}");
        node.children.iter().for_each(check);
    }
    let tree = explain("sum(rate(requests_total[1m])) + count(requests_total)");
    check(&tree);
    let lines = tree.lines();
    assert_eq!(lines.len(), 7, "{lines:#?}");
    assert!(
        lines[3].starts_with("      read requests_total: 4 series, 96 samples, 1536 bytes decoded, labels only ()")
    );

    let plain = Engine::default().instant(&requests(), &QueryContext::default(), "requests_total", Timestamp(0));
    assert_eq!(plain.unwrap().explain, None);
    let context = QueryContext { explain: true, ..QueryContext::default() };
    let literal = Engine::default().instant(&requests(), &context, "1", Timestamp(0)).unwrap();
    assert_eq!(literal.explain, None);
}

#[test]
fn progress_counts_what_was_read() {
    let context = QueryContext::default();
    let query = "sum(rate(requests_total[1m])) + count(requests_total)";
    let result = Engine::default().instant(&requests(), &context, query, Timestamp(600_000)).unwrap();
    assert_eq!((context.progress.series(), context.progress.samples()), (8, result.stats.samples_read));
    assert!(context.progress.peak_memory_bytes() > 0);
}
