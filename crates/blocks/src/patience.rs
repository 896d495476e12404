//! How long to wait before something that failed is tried again.

use std::time::{Duration, Instant};

/// Pauses that double with each failure in a row. They are of wall time: what fails is a disk or a network.
#[derive(Debug)]
pub struct Patience {
    first: Duration,
    longest: Duration,
    failures: u32,
    not_before: Option<Instant>,
}

impl Default for Patience {
    /// From one second to five minutes.
    fn default() -> Self {
        Patience::new(Duration::from_secs(1), Duration::from_secs(300))
    }
}

impl Patience {
    /// Pauses from `first` on, none longer than `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Patience { first, longest, failures: 0, not_before: None }
    }

    /// True where it may be tried.
    pub fn is_over(&self) -> bool {
        self.not_before.is_none_or(|time| Instant::now() >= time)
    }

    /// Begins a pause; answers its length.
    pub fn failed(&mut self) -> Duration {
        let pause = self.first.saturating_mul(1 << self.failures.min(12)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Instant::now().checked_add(pause);
        pause
    }

    /// Forgets the failures.
    pub fn succeeded(&mut self) {
        (self.failures, self.not_before) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let mut patience = Patience::new(Duration::from_secs(30), Duration::from_secs(1800));
        assert!(patience.is_over());
        let pauses: Vec<u64> = (0..9).map(|_| patience.failed().as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
        assert!(!patience.is_over());
        patience.succeeded();
        assert!(patience.is_over());
        assert_eq!(patience.failed().as_secs(), 30);
        (0..100).for_each(|_| {
            patience.failed();
        });
        assert_eq!(patience.failed().as_secs(), 1800);
    }
}
