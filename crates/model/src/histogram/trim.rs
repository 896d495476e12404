//! The trim operators `</` and `>/`: cut off the observations above or below a value.
//!
//! Where the value falls within a bucket, the part that stays is interpolated; the sum is rebuilt from the midpoints of what
//! stays.

use super::Bucket;
use crate::FloatHistogram;

/// Which observations stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Below,
    Above,
}

/// What is left of a bucket.
struct Rest {
    count: f64,
    midpoint: f64,
}

impl FloatHistogram {
    /// Keeps the observations up to `limit` (`</`).
    pub fn trim_above(&mut self, limit: f64) {
        self.trim(limit, Keep::Below);
    }

    /// Keeps the observations from `limit` on (`>/`).
    pub fn trim_below(&mut self, limit: f64) {
        self.trim(limit, Keep::Above);
    }

    fn trim(&mut self, limit: f64, keep: Keep) {
        let custom = self.uses_custom_buckets();
        let (mut count, mut sum) = (0.0, 0.0);
        let mut trimmed = false;
        let mut populated = [false, false];
        let sides = [self.positive_bucket_iter().collect::<Vec<_>>(), self.negative_bucket_iter().collect::<Vec<_>>()];
        for (side, buckets) in sides.iter().enumerate() {
            let positive = side == 0;
            let counts = if positive { &mut self.positive_buckets } else { &mut self.negative_buckets };
            for (bucket, stored) in buckets.iter().zip(counts) {
                if bucket.count == 0.0 {
                    continue;
                }
                populated[side] = true;
                match rest_of_bucket(bucket, limit, keep, positive, custom) {
                    Some(rest) => {
                        count += rest.count;
                        sum += rest.midpoint * rest.count;
                        trimmed |= *stored != rest.count;
                        *stored = rest.count;
                    }
                    None => {
                        *stored = 0.0;
                        trimmed = true;
                    }
                }
            }
        }
        if self.zero_count > 0.0 {
            let rest = rest_of_zero_bucket(&self.zero_bucket(), limit, keep, populated[0], populated[1]);
            trimmed |= self.zero_count != rest.count;
            self.zero_count = rest.count;
            sum += rest.midpoint * rest.count;
            count += rest.count;
        }
        if trimmed {
            self.count = count;
            self.sum = sum;
            self.compact();
        }
    }
}

/// `None` where nothing stays.
fn rest_of_bucket(bucket: &Bucket, limit: f64, keep: Keep, positive: bool, custom: bool) -> Option<Rest> {
    let (stays, is_cut) = match keep {
        Keep::Below => (bucket.upper <= limit, bucket.lower < limit),
        Keep::Above => (bucket.lower >= limit, bucket.upper > limit),
    };
    if stays {
        return Some(Rest { count: bucket.count, midpoint: midpoint(bucket.lower, bucket.upper, positive, custom) });
    }
    if !is_cut {
        return None;
    }
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return Some(rest_of_endless_bucket(bucket, limit, keep));
    }
    let below = if limit <= bucket.lower {
        0.0
    } else if limit >= bucket.upper {
        bucket.count
    } else {
        bucket.count * bucket.fraction_below(limit, custom)
    };
    Some(match keep {
        Keep::Below => Rest { count: below, midpoint: midpoint(bucket.lower, limit, positive, custom) },
        Keep::Above => Rest { count: bucket.count - below, midpoint: midpoint(limit, bucket.upper, positive, custom) },
    })
}

/// Nothing is known of the distribution in a bucket without end: it stays or goes as a whole, but for a custom bucket from
/// minus infinity to a positive bound, which counts from zero.
fn rest_of_endless_bucket(bucket: &Bucket, limit: f64, keep: Keep) -> Rest {
    let finite_or_zero = |v: f64| if v.is_infinite() { 0.0 } else { v };
    let starts_nowhere = bucket.lower == f64::NEG_INFINITY;
    let from_zero = starts_nowhere && bucket.upper > 0.0 && bucket.upper != f64::INFINITY;
    match keep {
        Keep::Below if starts_nowhere => {
            if limit >= bucket.upper {
                Rest { count: bucket.count, midpoint: 0.0 }
            } else if limit > 0.0 && from_zero {
                Rest { count: bucket.count * limit / bucket.upper, midpoint: limit / 2.0 }
            } else if bucket.upper <= 0.0 {
                Rest { count: bucket.count, midpoint: limit }
            } else {
                Rest { count: 0.0, midpoint: finite_or_zero(bucket.upper) }
            }
        }
        Keep::Above if starts_nowhere => {
            if limit <= bucket.lower {
                Rest { count: bucket.count, midpoint: 0.0 }
            } else if limit >= 0.0 && bucket.upper > limit && from_zero {
                Rest { count: bucket.count * (1.0 - limit / bucket.upper), midpoint: (limit + bucket.upper) / 2.0 }
            } else {
                Rest { count: 0.0, midpoint: finite_or_zero(bucket.upper) }
            }
        }
        Keep::Above if limit >= bucket.lower => Rest { count: bucket.count, midpoint: limit },
        Keep::Below | Keep::Above => Rest { count: 0.0, midpoint: finite_or_zero(bucket.lower) },
    }
}

/// The zero bucket is cut linearly; with buckets on one side only it reaches only to that side.
fn rest_of_zero_bucket(bucket: &Bucket, limit: f64, keep: Keep, has_positive: bool, has_negative: bool) -> Rest {
    let lower = if has_positive && !has_negative { 0.0 } else { bucket.lower };
    let upper = if has_negative && !has_positive { 0.0 } else { bucket.upper };
    let whole = Rest { count: bucket.count, midpoint: (lower + upper) / 2.0 };
    let nothing = Rest { count: 0.0, midpoint: 0.0 };
    match keep {
        Keep::Below if limit <= lower => nothing,
        Keep::Below if limit >= upper => whole,
        Keep::Below => {
            Rest { count: bucket.count * ((limit - lower) / (upper - lower)), midpoint: (lower + limit) / 2.0 }
        }
        Keep::Above if limit <= lower => whole,
        Keep::Above if limit >= upper => nothing,
        Keep::Above => {
            Rest { count: bucket.count * ((upper - limit) / (upper - lower)), midpoint: (limit + upper) / 2.0 }
        }
    }
}

/// Arithmetic for custom buckets, geometric for exponential ones; a bucket without end counts at its finite bound.
fn midpoint(lower: f64, upper: f64, positive: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if linear => (lower + upper) / 2.0,
        (false, false) => {
            let mean = (lower * upper).abs().sqrt();
            if positive { mean } else { -mean }
        }
    }
}
