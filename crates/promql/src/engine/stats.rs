//! What a query cost: samples and time, with the meaning that Prometheus gives to each figure.

use std::time::Duration;

use crate::eval::{SampleStats, Steps};

/// A figure for one step of a range query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepStat {
    /// The step's time in milliseconds.
    pub timestamp: i64,
    /// The figure.
    pub value: u64,
}

/// Time spent in the stages of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryTimings {
    /// Parsing and checking the text.
    pub parse: Duration,
    /// Resolving times and finding series.
    pub prepare: Duration,
    /// Evaluating the expression tree.
    pub inner_eval: Duration,
    /// Ordering the result.
    pub result_sort: Duration,
    /// Everything from preparation to the finished result.
    pub eval_total: Duration,
    /// Everything including waiting and parsing.
    pub total: Duration,
}

/// What a query read, held and took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Samples seen by all steps together: a range window counts wholly at every step. Histograms count by size.
    pub total_queryable_samples: u64,
    /// Like the total, but a sliding window counts only the samples that are new at a step.
    pub samples_read: u64,
    /// Most samples held in memory at one time.
    pub peak_samples: u64,
    /// `total_queryable_samples` by step, where asked for.
    pub total_queryable_samples_per_step: Option<Vec<StepStat>>,
    /// `samples_read` by step, where asked for.
    pub samples_read_per_step: Option<Vec<StepStat>>,
    /// Samples read that stand for others that were downsampled away.
    pub downsampled_samples: u64,
    /// The longest bucket of the downsampled data that was read, in milliseconds; 0 where all was raw.
    pub longest_bucket_ms: i64,
    /// Where the time went.
    pub timings: QueryTimings,
}

impl QueryStats {
    pub(crate) fn collect(
        samples: &SampleStats,
        steps: Steps,
        peak: usize,
        per_step: bool,
        timings: QueryTimings,
    ) -> Self {
        let by_step = |figures: &[u64]| {
            let stat = |(step, value): (usize, &u64)| StepStat { timestamp: steps.at(step), value: *value };
            per_step.then(|| figures.iter().enumerate().map(stat).collect())
        };
        QueryStats {
            total_queryable_samples: samples.total.iter().sum(),
            samples_read: samples.read.iter().sum(),
            peak_samples: peak as u64,
            total_queryable_samples_per_step: by_step(&samples.total),
            samples_read_per_step: by_step(&samples.read),
            downsampled_samples: samples.downsampled.0,
            longest_bucket_ms: samples.downsampled.1,
            timings,
        }
    }
}
