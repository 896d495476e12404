//! Quantiles of durations over the last ten minutes, for a summary as Prometheus' client library keeps it.
//!
//! Durations are counted in buckets that grow by a twelfth of a doubling, so a quantile is off by 3 % at most. Five rings of two
//! minutes each take turns.

use std::time::{Duration, Instant};

const RINGS: usize = 5;
const RING_TIME: Duration = Duration::from_secs(120);
/// The smallest duration that is told apart from nothing, in seconds.
const SMALLEST: f64 = 1e-7;
const BUCKETS_PER_DOUBLING: f64 = 12.0;
/// Up to some 1,500 seconds.
const BUCKETS: usize = 404;

/// Counts of one kind of duration.
#[derive(Debug)]
pub(super) struct Quantiles {
    rings: Vec<[u32; BUCKETS]>,
    newest: usize,
    newest_since: Instant,
    sum: f64,
    count: u64,
}

impl Quantiles {
    pub(super) fn new(now: Instant) -> Self {
        Quantiles { rings: vec![[0; BUCKETS]; RINGS], newest: 0, newest_since: now, sum: 0.0, count: 0 }
    }

    pub(super) fn observe(&mut self, duration: Duration, now: Instant) {
        self.turn(now);
        let seconds = duration.as_secs_f64();
        self.sum += seconds;
        self.count += 1;
        let bucket = ((seconds / SMALLEST).max(1.0).log2() * BUCKETS_PER_DOUBLING).round() as usize;
        self.rings[self.newest][bucket.min(BUCKETS - 1)] += 1;
    }

    /// Seconds that the share `q` of the recent durations do not exceed; NaN where there are none.
    pub(super) fn quantile(&mut self, q: f64, now: Instant) -> f64 {
        self.turn(now);
        let total: u64 = self.rings.iter().flatten().map(|n| u64::from(*n)).sum();
        let rank = (q * total as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        for bucket in 0..BUCKETS {
            below += self.rings.iter().map(|ring| u64::from(ring[bucket])).sum::<u64>();
            if below >= rank {
                return if bucket == 0 { 0.0 } else { SMALLEST * (bucket as f64 / BUCKETS_PER_DOUBLING).exp2() };
            }
        }
        f64::NAN
    }

    /// Sum in seconds and number of all durations ever.
    pub(super) fn totals(&self) -> (f64, u64) {
        (self.sum, self.count)
    }

    fn turn(&mut self, now: Instant) {
        let turns = (now.saturating_duration_since(self.newest_since).as_nanos() / RING_TIME.as_nanos()) as u32;
        for _ in 0..turns.min(RINGS as u32) {
            self.newest = (self.newest + 1) % RINGS;
            self.rings[self.newest].fill(0);
        }
        self.newest_since += RING_TIME * turns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_durations_count() {
        let begin = Instant::now();
        let mut quantiles = Quantiles::new(begin);
        assert!(quantiles.quantile(0.5, begin).is_nan());
        for ms in 1..=1000 {
            quantiles.observe(Duration::from_millis(ms), begin);
        }
        for (q, seconds) in [(0.5, 0.5), (0.9, 0.9), (0.99, 0.99)] {
            let found = quantiles.quantile(q, begin);
            assert!((found / seconds - 1.0).abs() < 0.03, "{q}: {found}");
        }
        let later = begin + Duration::from_secs(500);
        quantiles.observe(Duration::from_secs(7), later);
        assert!(quantiles.quantile(0.5, later) < 1.0, "still there after eight minutes");
        let much_later = begin + Duration::from_secs(700);
        let left = quantiles.quantile(0.5, much_later);
        assert!((left / 7.0 - 1.0).abs() < 0.03, "only the last one is left: {left}");
        assert!(quantiles.quantile(0.5, begin + Duration::from_secs(100_000)).is_nan());
        assert_eq!(quantiles.totals().1, 1001);
        quantiles.observe(Duration::ZERO, much_later);
        quantiles.observe(Duration::from_secs(1_000_000), much_later);
    }
}
