//! Evaluation.
//!
//! A range aggregation reads pages in parallel, each as little as it can (`pages`, `columns`), into buckets of time from which
//! all windows are put together (`grid`); only buckets and steps with values take memory (`row`, `span`). What follows works on
//! series with values by step. These are vector operations like PromQL's, but not the same ones: division by zero gives NaN, a filter by a literal keeps other values,
//! series may share labels after `label_replace`, and there are no histograms and no stale markers; so they are written
//! here, small, rather than shared.

mod aggregate;
mod binary;
mod cells;
mod columns;
mod grid;
mod group;
pub(crate) mod logs;
pub(crate) mod metric;
mod pages;
mod range;
mod row;
mod run;
mod shape;
mod span;
mod times;
mod windows;

pub(crate) use run::Run;
pub(crate) use span::Span;

use model::Labels;

/// Times of a metric query, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start: i64,
    pub(crate) step: i64,
    pub(crate) count: usize,
}

impl Steps {
    /// `start`, `start + step`, ... up to and including `end`.
    pub(crate) fn between(start: i64, end: i64, step: i64) -> Steps {
        Steps { start, step, count: (end.saturating_sub(start) / step) as usize + 1 }
    }

    pub(crate) fn at(&self, index: usize) -> i64 {
        self.start + self.step * index as i64
    }
}

/// A series with its values by step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) values: Span,
}

/// Stands where there is no value: a NaN that no arithmetic gives.
pub(crate) const ABSENT: f64 = f64::from_bits(0x7ff8_ab5e_0000_0001);

/// True for [`ABSENT`].
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

impl Series {
    /// The same value at each step, without labels.
    pub(crate) fn constant(value: f64, steps: Steps) -> Series {
        Series { labels: Labels::empty(), values: Span::of(0, vec![value; steps.count]) }
    }

    /// Bytes that series take.
    pub(crate) fn bytes(series: &[Series]) -> usize {
        series.iter().map(|series| size_of::<Series>() + series.labels.encoded_len() + series.values.bytes()).sum()
    }
}
