//! How fast tenants may send: a bucket of tokens for each (`ingestion_rate_mb`, `ingestion_burst_size_mb`).

use hashbrown::HashMap;
use model::{Tenant, Timestamp};
use parking_lot::Mutex;

const MIB: f64 = 1_048_576.0;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// The buckets of all tenants, in bytes.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<Tenant, Bucket>>);

impl Rates {
    /// Takes so many bytes; false where the tenant may not have them now, and then nothing was taken. A rate of 0 is no limit.
    pub(super) fn take(&self, tenant: &Tenant, bytes: u64, now: Timestamp, rate_mb: f64, burst_mb: f64) -> bool {
        if rate_mb <= 0.0 {
            return true;
        }
        let (rate, most) = (rate_mb * MIB, burst_mb.max(rate_mb) * MIB);
        let mut buckets = self.0.lock();
        let bucket = buckets.entry(tenant.clone()).or_insert(Bucket { tokens: most, at: now });
        let elapsed_s = (now.ms() - bucket.at.ms()).max(0) as f64 / 1000.0;
        bucket.tokens = (bucket.tokens + elapsed_s * rate).min(most);
        bucket.at = now;
        let fits = bytes as f64 <= bucket.tokens;
        if fits {
            bucket.tokens -= bytes as f64;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fill_with_time() {
        let rates = Rates::default();
        let (a, b) = (Tenant::new("a").unwrap(), Tenant::new("b").unwrap());
        let take = |tenant: &Tenant, bytes, ms| rates.take(tenant, bytes, Timestamp(ms), 1.0, 2.0);
        assert!(take(&a, 2 << 20, 0));
        assert!(!take(&a, 1, 0));
        assert!(take(&b, 1, 0));
        assert!(!take(&a, (1 << 20) + 1, 1000));
        assert!(take(&a, 1 << 20, 1000));
        assert!(!take(&a, (2 << 20) + 1, 100_000));
        assert!(rates.take(&a, u64::MAX, Timestamp(0), 0.0, 0.0));
    }
}
