//! How fast a stream may grow: a bucket of bytes that fills with time.

/// What a stream has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    left: f64,
    at_ms: i64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(burst: f64, now_ms: i64) -> Self {
        Bucket { left: burst, at_ms: now_ms }
    }

    /// Takes some bytes; false where there are not so many.
    pub(crate) fn take(&mut self, bytes: f64, rate: f64, burst: f64, now_ms: i64) -> bool {
        let seconds = (now_ms - self.at_ms).max(0) as f64 / 1000.0;
        self.left = (self.left + rate * seconds).min(burst);
        self.at_ms = self.at_ms.max(now_ms);
        if bytes > self.left {
            return false;
        }
        self.left -= bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_up_to_its_burst() {
        let mut bucket = Bucket::full(100.0, 0);
        assert!(bucket.take(100.0, 10.0, 100.0, 0));
        assert!(!bucket.take(11.0, 10.0, 100.0, 1000));
        assert!(bucket.take(10.0, 10.0, 100.0, 1000));
        assert!(!bucket.take(101.0, 10.0, 100.0, 1_000_000));
        assert!(bucket.take(100.0, 10.0, 100.0, 1_000_000));
    }
}
