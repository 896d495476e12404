//! Does a counter histogram start anew?

use super::bounds::{exponential_bound, is_exponential_schema};
use super::spans::{coarser_index, indexed};
use crate::{BucketSpan, CounterResetHint, FloatHistogram};

impl FloatHistogram {
    /// True where this histogram cannot have grown from `previous`: a count fell, a populated bucket vanished, the
    /// resolution rose or the zero bucket shrank. Hints are believed without looking.
    pub fn detect_reset(&self, previous: &FloatHistogram) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::CounterReset => return true,
            CounterResetHint::NotCounterReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() {
            if !previous.uses_custom_buckets() {
                return true;
            }
            if self.custom_values != previous.custom_values {
                return self.fell_within_common_bounds(previous);
            }
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (previous_zero_count, threshold, _) = previous.zero_count_for(self.zero_threshold, None);
        if threshold != self.zero_threshold || self.zero_count < previous_zero_count {
            return true;
        }
        let sides = [
            (&self.positive_spans, &self.positive_buckets, &previous.positive_spans, &previous.positive_buckets),
            (&self.negative_spans, &self.negative_buckets, &previous.negative_spans, &previous.negative_buckets),
        ];
        sides.into_iter().any(|(spans, counts, previous_spans, previous_counts)| {
            let now = self.visible(spans, counts, self.schema);
            let before = self.visible(previous_spans, previous_counts, previous.schema);
            any_fell(&now, &before)
        })
    }

    /// Buckets in this histogram's resolution, without those within its zero bucket.
    fn visible(&self, spans: &[BucketSpan], counts: &[f64], schema: i32) -> Vec<(i32, f64)> {
        let mut visible: Vec<(i32, f64)> = Vec::with_capacity(counts.len());
        for (index, count) in indexed(spans, counts) {
            let index = coarser_index(index, schema, self.schema);
            match visible.last_mut() {
                Some((last, sum)) if *last == index => *sum += count,
                _ => visible.push((index, count)),
            }
        }
        if self.zero_threshold > 0.0 && is_exponential_schema(self.schema) {
            visible.retain(|(index, _)| exponential_bound(*index, self.schema) > self.zero_threshold);
        }
        visible
    }

    /// Compares custom buckets after merging them down to the bounds that both histograms have.
    fn fell_within_common_bounds(&self, previous: &FloatHistogram) -> bool {
        let bounds = super::custom::common_bounds(&self.custom_values, &previous.custom_values);
        let now = self.rolled_up(&bounds);
        let before = previous.rolled_up(&bounds);
        now.iter().zip(&before).any(|(now, before)| now < before)
    }

    /// Counts by these bounds, one more for everything above.
    fn rolled_up(&self, bounds: &[f64]) -> Vec<f64> {
        let mut counts = vec![0.0; bounds.len() + 1];
        for bucket in self.positive_bucket_iter() {
            counts[bounds.partition_point(|b| *b < bucket.upper)] += bucket.count;
        }
        counts
    }
}

fn any_fell(now: &[(i32, f64)], before: &[(i32, f64)]) -> bool {
    let mut now = now.iter().peekable();
    before.iter().any(|(index, count)| {
        while now.next_if(|(i, _)| i < index).is_some() {}
        match now.peek() {
            Some((i, current)) if i == index => current < count,
            _ => *count != 0.0,
        }
    })
}
