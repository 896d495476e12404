//! Notes what each node does, where the caller wants it explained.
//!
//! Nodes are opened and closed by the thread that evaluates the tree; what worker threads read is counted by the selections
//! themselves, which belong to the node that was open when they were made. Nothing of this runs for other queries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Labels, Projection, SampleBuffer, SelectRequest, SeriesSet, SourceError, TimeRange};

use super::select::Sink;
use super::{Evaluated, Query, Series, Steps};
use crate::ast::{Call, Expr, VectorSelector};
use crate::engine::{ExplainNode, ExplainRead, QueryError};
use crate::functions::range_function;

/// Characters of a node's text.
const MAX_TEXT: usize = 300;

/// The tree as far as it is known.
#[derive(Default)]
pub(crate) struct Profile(Mutex<Tree>);

#[derive(Default)]
struct Tree {
    nodes: Vec<Noted>,
    /// Places of the nodes that are being evaluated, the innermost last.
    open: Vec<usize>,
}

struct Noted {
    node: ExplainNode,
    parent: Option<usize>,
    since: Instant,
    /// Time that the node above it took for the series that it was handed meanwhile.
    handed: Duration,
}

/// True for nodes worth a line.
pub(crate) fn is_noted(expr: &Expr) -> bool {
    !matches!(expr, Expr::Number(_) | Expr::String(_) | Expr::Paren(_) | Expr::StepInvariant(_))
}

impl Profile {
    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, query: &Query<'_>, expr: &Expr, steps: Steps) {
        let span = expr.span();
        let text = query.text.get(span.start..span.end).unwrap_or_default();
        let node = ExplainNode {
            kind: kind(expr),
            text: text[..text.floor_char_boundary(MAX_TEXT)].to_owned(),
            steps: steps.count,
            ..ExplainNode::default()
        };
        let mut tree = self.tree();
        let parent = tree.open.last().copied();
        let place = tree.nodes.len();
        tree.open.push(place);
        tree.nodes.push(Noted { node, parent, since: Instant::now(), handed: Duration::ZERO });
    }

    pub(crate) fn close(&self, value: &Evaluated) {
        let (series, samples) = match value {
            Evaluated::Scalar(column) => (1, column.len()),
            Evaluated::Vector(series) => weigh(series),
            Evaluated::Text(_) => (0, 0),
            Evaluated::Ranges(ranges) => {
                (ranges.len(), ranges.iter().map(|(s, _)| s.floats.len() + s.histograms.len()).sum())
            }
        };
        self.close_with(series, samples);
    }

    fn close_with(&self, series: usize, samples: usize) {
        let mut tree = self.tree();
        let Some(place) = tree.open.pop() else { return };
        let noted = &mut tree.nodes[place];
        noted.node.total = noted.since.elapsed();
        (noted.node.series, noted.node.samples) = (series as u64, samples as u64);
    }

    /// Notes `expr` while `work` hands its series on portion by portion to the node that is open now.
    pub(crate) fn note_stream(
        &self,
        query: &Query<'_>,
        expr: &Expr,
        steps: Steps,
        sink: Sink<'_>,
        work: impl FnOnce(Sink<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        self.open(query, expr, steps);
        let (mut all, mut handed) = ((0, 0), Duration::ZERO);
        work(&mut |series, held| {
            let (series_here, samples_here) = weigh(&series);
            all = (all.0 + series_here, all.1 + samples_here);
            let since = Instant::now();
            let taken = sink(series, held);
            handed += since.elapsed();
            taken
        })?;
        let mut tree = self.tree();
        if let Some(place) = tree.open.last().copied() {
            tree.nodes[place].handed = handed;
        }
        drop(tree);
        self.close_with(all.0, all.1);
        Ok(())
    }

    /// The same selection, counting what is read of it.
    pub(crate) fn watch<'q>(
        &'q self,
        set: Box<dyn SeriesSet + 'q>,
        selector: &VectorSelector,
        request: &SelectRequest<'_>,
        select: Duration,
    ) -> Box<dyn SeriesSet + 'q> {
        let read = ExplainRead {
            selector: Expr::Vector(selector.clone()).to_string(),
            range_ms: (request.range.start.ms(), request.range.end.ms()),
            labels: request.projection.map(|projection| match projection {
                Projection::Only(names) => format!("only ({})", names.join(", ")),
                Projection::Without(names) => format!("all but ({})", names.join(", ")),
            }),
            series: set.len() as u64,
            select,
            ..ExplainRead::default()
        };
        let node = self.tree().open.last().copied();
        let [samples, bytes, nanos] = Default::default();
        Box::new(Watched { set, profile: self, node, read, samples, bytes, nanos })
    }

    /// The tree; nothing where the query is a literal.
    pub(crate) fn finish(self) -> Option<ExplainNode> {
        let tree = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut nodes = tree.nodes;
        for noted in &mut nodes {
            noted.node.own = noted.node.total.saturating_sub(noted.handed);
        }
        let mut root = None;
        // Children stand behind their parents, so each is whole when it is put into its parent.
        while let Some(Noted { mut node, parent, handed, .. }) = nodes.pop() {
            node.children.reverse();
            match parent {
                None => root = Some(node),
                Some(parent) => {
                    let parent = &mut nodes[parent].node;
                    parent.own = (parent.own + handed).saturating_sub(node.total);
                    parent.children.push(node);
                }
            }
        }
        root
    }
}

fn weigh(series: &[Series]) -> (usize, usize) {
    let samples = |s: &Series| s.floats.iter().filter(|v| super::is_present(**v)).count() + s.histograms.len();
    (series.len(), series.iter().map(samples).sum())
}

fn kind(expr: &Expr) -> &'static str {
    match expr {
        Expr::Number(_) => "number",
        Expr::String(_) => "string",
        Expr::Vector(_) => "selector",
        Expr::Matrix(_) => "range selector",
        Expr::Subquery(_) => "subquery",
        Expr::Call(Call { func, .. }) if range_function(func.name).is_some() => "range function",
        Expr::Call(_) => "function",
        Expr::Aggregate(_) => "aggregation",
        Expr::Binary(_) => "binary operation",
        Expr::Unary(_) => "sign",
        Expr::Paren(paren) => kind(&paren.expr),
        Expr::StepInvariant(inner) => kind(inner),
    }
}

/// A selection that counts.
struct Watched<'q> {
    set: Box<dyn SeriesSet + 'q>,
    profile: &'q Profile,
    node: Option<usize>,
    read: ExplainRead,
    samples: AtomicU64,
    bytes: AtomicU64,
    nanos: AtomicU64,
}

impl SeriesSet for Watched<'_> {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.set.labels(index)
    }

    fn read(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        self.count(out, |out| self.set.read(index, range, out))
    }

    fn read_newest(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        self.count(out, |out| self.set.read_newest(index, range, out))
    }

    fn warnings(&self) -> Vec<String> {
        self.set.warnings()
    }
}

impl Watched<'_> {
    fn count(
        &self,
        out: &mut SampleBuffer,
        read: impl FnOnce(&mut SampleBuffer) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let (samples, histograms) = (out.len(), out.histograms.len());
        let since = Instant::now();
        let done = read(out);
        self.nanos.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let of_histograms: usize = out.histograms[histograms..].iter().map(|(_, h)| h.accounted_bytes()).sum();
        let samples = out.len() - samples;
        self.samples.fetch_add(samples as u64, Ordering::Relaxed);
        self.bytes.fetch_add((samples * 16 + of_histograms) as u64, Ordering::Relaxed);
        done
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut read = std::mem::take(&mut self.read);
        read.samples = self.samples.load(Ordering::Relaxed);
        read.decoded_bytes = self.bytes.load(Ordering::Relaxed);
        read.decode = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        read.stored = self.set.footprint();
        if let Some(node) = self.node {
            self.profile.tree().nodes[node].node.reads.push(read);
        }
    }
}
