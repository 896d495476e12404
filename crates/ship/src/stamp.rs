//! Times of lines that bring none: the clock's, but never twice the same, because two equal lines of one time count as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::Clock;

/// Gives out times, ever larger ones.
#[derive(Debug)]
pub struct Stamps {
    clock: Arc<dyn Clock>,
    last: AtomicI64,
}

impl Stamps {
    /// Starts at the present.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Stamps { clock, last: AtomicI64::new(i64::MIN) }
    }

    /// Nanoseconds since the Unix epoch, without giving the time out.
    pub fn now(&self) -> i64 {
        self.clock.now().ms().saturating_mul(1_000_000)
    }

    /// The first of `count` times that nobody else gets, a nanosecond apart.
    pub fn take(&self, count: usize) -> i64 {
        let now = self.now();
        let count = count as i64;
        let next = |last: i64| now.max(last.saturating_add(1));
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last).saturating_add(count - 1)))
            .unwrap_or_else(|last| last);
        next(before)
    }
}

#[cfg(test)]
mod tests {
    use model::{ManualClock, Timestamp};

    use super::*;

    #[test]
    fn no_time_is_given_twice_even_where_the_clock_stands_still_or_goes_back() {
        let clock = Arc::new(ManualClock::new(Timestamp(5)));
        let stamps = Stamps::new(clock.clone());
        assert_eq!(stamps.take(3), 5_000_000);
        assert_eq!(stamps.take(1), 5_000_003);
        clock.advance_ms(-3);
        assert_eq!(stamps.take(1), 5_000_004);
        clock.advance_ms(10);
        assert_eq!(stamps.take(1), 12_000_000);
    }
}
