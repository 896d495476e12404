//! How windows of time are cut into buckets, so that each line is put into one bucket and each window is a run of buckets.

use model::NanoRange;

use super::Steps;

/// More buckets than this are not kept; windows are then made of single samples.
const MOST_BUCKETS: i64 = 1 << 17;

/// The windows of a range aggregation: for step `i` the times in `(at(i) - offset - interval, at(i) - offset]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// First step, with the offset taken off.
    first: i64,
    step: i64,
    pub(crate) steps: usize,
    pub(crate) interval: i64,
    /// Width of a bucket; 0 where there are no buckets.
    width: i64,
    /// Buckets.
    pub(crate) buckets: usize,
    /// Buckets of a window.
    pub(crate) per_window: usize,
    /// Buckets from one window to the next.
    pub(crate) per_step: usize,
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Windows {
    pub(crate) fn new(steps: Steps, interval: i64, offset: i64) -> Windows {
        let count = steps.count;
        let mut windows = Windows {
            first: steps.start.saturating_sub(offset),
            step: steps.step,
            steps: count,
            interval,
            width: steps.step,
            buckets: count,
            per_window: 1,
            per_step: 1,
        };
        if count > 1 && interval > steps.step {
            let width = gcd(interval, steps.step);
            let span = interval.saturating_add(steps.step.saturating_mul(count as i64 - 1));
            let buckets = span / width;
            if buckets > MOST_BUCKETS {
                return Windows { width: 0, buckets: 0, ..windows };
            }
            windows.width = width;
            windows.buckets = buckets as usize;
            windows.per_window = (interval / width) as usize;
            windows.per_step = (steps.step / width) as usize;
        }
        windows
    }

    /// True where lines are put into buckets.
    pub(crate) fn has_buckets(&self) -> bool {
        self.width > 0
    }

    /// The times that any window covers.
    pub(crate) fn range(&self) -> NanoRange {
        let last = self.first.saturating_add(self.step.saturating_mul(self.steps as i64 - 1));
        NanoRange { start: self.first.saturating_sub(self.interval).saturating_add(1), end: last.saturating_add(1) }
    }

    /// The end of the window of a step.
    pub(crate) fn end(&self, step: usize) -> i64 {
        self.first.saturating_add(self.step.saturating_mul(step as i64))
    }

    /// The bucket of a time; `None` where no window covers it.
    pub(crate) fn bucket(&self, timestamp: i64) -> Option<usize> {
        if self.per_window == 1 && self.per_step == 1 {
            let step =
                if timestamp <= self.first { 0 } else { ((timestamp - self.first - 1) / self.step + 1) as usize };
            let is_in = step < self.steps && timestamp > self.end(step).saturating_sub(self.interval);
            return is_in.then_some(step);
        }
        let start = self.first.saturating_sub(self.interval);
        let bucket = timestamp.saturating_sub(start).saturating_sub(1).div_euclid(self.width);
        (bucket >= 0 && bucket < self.buckets as i64).then_some(bucket as usize)
    }

    /// The times of a bucket: after the first, up to and including the second.
    pub(crate) fn edges(&self, bucket: usize) -> (i64, i64) {
        if self.per_window == 1 && self.per_step == 1 {
            let end = self.end(bucket);
            let width = self.interval.min(if self.steps > 1 { self.step } else { self.interval });
            return (end.saturating_sub(width), end);
        }
        let start = self.first.saturating_sub(self.interval).saturating_add(self.width.saturating_mul(bucket as i64));
        (start, start.saturating_add(self.width))
    }

    /// The buckets that may hold times from `first` to `last`.
    pub(crate) fn buckets_between(&self, first: i64, last: i64) -> std::ops::Range<usize> {
        let after = |time: i64| {
            // Buckets ascend: the first whose end is not before the time.
            let (mut low, mut high) = (0, self.buckets);
            while low < high {
                let middle = (low + high) / 2;
                if self.edges(middle).1 < time { low = middle + 1 } else { high = middle }
            }
            low
        };
        after(first)..(after(last) + 1).min(self.buckets)
    }

    /// True where some window covers the time; buckets or not.
    pub(crate) fn covers(&self, timestamp: i64) -> bool {
        if self.has_buckets() { self.bucket(timestamp).is_some() } else { self.range().contains(timestamp) }
    }

    /// The bucket that holds all times from `first` to `last`, if there is one.
    pub(crate) fn common_bucket(&self, first: i64, last: i64) -> Option<usize> {
        let bucket = self.bucket(first)?;
        (self.has_buckets() && self.bucket(last) == Some(bucket)).then_some(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_is_a_run_of_buckets() {
        for (start, step, count, interval, offset) in [
            (100, 10, 5, 30, 0),
            (100, 10, 5, 25, 0),
            (100, 10, 5, 10, 3),
            (100, 10, 5, 4, 0),
            (100, 7, 9, 20, -5),
            (100, 1, 1, 50, 0),
        ] {
            let windows = Windows::new(Steps { start, step, count }, interval, offset);
            for timestamp in 0..300 {
                let bucket = windows.bucket(timestamp);
                let mut covered = false;
                for i in 0..count {
                    let end = start + step * i as i64 - offset;
                    let is_in = end - interval < timestamp && timestamp <= end;
                    covered |= is_in;
                    let from = i * windows.per_step;
                    let has = bucket.is_some_and(|bucket| from <= bucket && bucket < from + windows.per_window);
                    assert_eq!(has, is_in, "step {i} time {timestamp} {windows:?}");
                }
                assert!(!covered || windows.range().contains(timestamp));
                if let Some(bucket) = bucket {
                    let (after, until) = windows.edges(bucket);
                    assert!(after < timestamp && timestamp <= until, "{timestamp} {windows:?}");
                    assert!(windows.buckets_between(timestamp - 3, timestamp + 20).contains(&bucket));
                }
                for other in (0..windows.buckets).filter(|other| Some(*other) != bucket) {
                    let (after, until) = windows.edges(other);
                    assert!(timestamp <= after || until < timestamp, "{timestamp} {other} {windows:?}");
                }
            }
        }
    }
}
