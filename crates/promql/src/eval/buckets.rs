//! Where only the count or sum of native histograms is asked for, their buckets are dropped on reading.
//!
//! As in Prometheus this shows: without buckets resets can only be found while reading, so the samples come with an explicit
//! hint, and bucket layouts cannot be in conflict any more.

use std::sync::Arc;

use model::{CounterResetHint, FloatHistogram, SampleBuffer, is_stale};

use crate::ast::{BinaryOp, Expr};

/// Whether the histograms of a selector are read with their buckets; decided on the way down to the selector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Buckets {
    /// Nothing speaks for dropping them.
    #[default]
    Kept,
    /// Below a function that reads only count and sum.
    Dropped,
    /// Below something that needs them, such as a quantile or a subquery; nothing further down changes that.
    Needed,
}

impl Buckets {
    /// The mode for the children of a node.
    pub(crate) fn below(self, node: &Expr) -> Self {
        let needed = match node {
            Expr::Subquery(_) => true,
            Expr::Binary(binary) => matches!(binary.op, BinaryOp::TrimLower | BinaryOp::TrimUpper),
            Expr::Call(call) => {
                matches!(call.func.name, "histogram_quantile" | "histogram_quantiles" | "histogram_fraction")
            }
            _ => false,
        };
        let drops = match node {
            Expr::Call(call) => matches!(call.func.name, "histogram_count" | "histogram_sum" | "histogram_avg"),
            _ => false,
        };
        match self {
            Buckets::Needed => Buckets::Needed,
            _ if needed => Buckets::Needed,
            _ if drops => Buckets::Dropped,
            other => other,
        }
    }

    /// Drops buckets and sets hints where this mode says so.
    pub(crate) fn apply(self, buffer: &mut SampleBuffer) {
        if self != Buckets::Dropped {
            return;
        }
        let mut previous: Option<Arc<FloatHistogram>> = None;
        for (_, histogram) in &mut buffer.histograms {
            let mut hint = histogram.counter_reset_hint;
            let full = Arc::clone(histogram);
            if is_stale(full.sum) {
                continue;
            }
            if hint == CounterResetHint::Unknown
                && let Some(previous) = &previous
            {
                let reset = full.detect_reset(previous);
                hint = if reset { CounterResetHint::CounterReset } else { CounterResetHint::NotCounterReset };
            }
            *histogram = Arc::new(FloatHistogram {
                counter_reset_hint: hint,
                schema: full.schema,
                count: full.count,
                sum: full.sum,
                ..FloatHistogram::default()
            });
            previous = Some(full);
        }
    }
}
