//! What each node of a query did: a tree for programs, and the same as lines for people.

use std::time::Duration;

use model::Footprint;

/// One node of a query, as it was evaluated. Parentheses, numbers and strings are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExplainNode {
    /// `selector`, `range function`, `function`, `aggregation`, `binary operation`, `subquery` and so on.
    pub kind: &'static str,
    /// The part of the query.
    pub text: String,
    /// Steps that it was evaluated for; 1 where all steps share its value.
    pub steps: usize,
    /// Series of its value.
    pub series: u64,
    /// Samples of its value.
    pub samples: u64,
    /// From begin to end, with everything below it.
    pub total: Duration,
    /// Without what is below it.
    pub own: Duration,
    /// What it read from the store itself.
    pub reads: Vec<ExplainRead>,
    /// Its operands.
    pub children: Vec<ExplainNode>,
}

/// One selection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExplainRead {
    /// The selector, with the time that it was resolved to.
    pub selector: String,
    /// First and last time that was asked for, in milliseconds.
    pub range_ms: (i64, i64),
    /// The labels that were asked for; `None` for all.
    pub labels: Option<String>,
    /// Series selected.
    pub series: u64,
    /// Samples decoded; one that two steps look at is decoded once.
    pub samples: u64,
    /// Bytes of the decoded samples in memory: 16 for a float, more for a histogram.
    pub decoded_bytes: u64,
    /// Finding the series.
    pub select: Duration,
    /// Reading and decoding their samples, all threads together.
    pub decode: Duration,
    /// What of the stored data that took.
    pub stored: Footprint,
}

impl ExplainNode {
    /// The tree as lines of text, one for a node and one for each selection.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.push_lines(0, &mut lines);
        lines
    }

    fn push_lines(&self, depth: usize, lines: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        lines.push(format!(
            "{indent}{} {}: {} series, {} samples at {} steps; {:.2} ms, own {:.2} ms",
            self.kind,
            self.text,
            self.series,
            self.samples,
            self.steps,
            ms(self.total),
            ms(self.own),
        ));
        for read in &self.reads {
            let stored = &read.stored;
            let labels = read.labels.as_ref().map_or(String::new(), |labels| format!(", labels {labels}"));
            lines.push(format!(
                "{indent}  read {}: {} series, {} samples, {} bytes decoded{labels}; select {:.2} ms, decode {:.2} ms; \
                 {} series in memory, {} of {} blocks, {} of {} pages, {} bytes stored",
                read.selector,
                read.series,
                read.samples,
                read.decoded_bytes,
                ms(read.select),
                ms(read.decode),
                stored.head_series,
                stored.blocks_read,
                stored.blocks_read + stored.blocks_skipped,
                stored.pages_read,
                stored.pages_read + stored.pages_skipped,
                stored.bytes,
            ));
        }
        for child in &self.children {
            child.push_lines(depth + 1, lines);
        }
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
