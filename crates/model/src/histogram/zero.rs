//! Zero buckets of different width are widened until they agree.

use super::{kahan_inc, spans};
use crate::FloatHistogram;

impl FloatHistogram {
    /// The zero count if the zero bucket were as wide as `threshold` (not less than it is). Where that would cut a populated
    /// bucket, the threshold moves up to the bucket's end. Returns count, threshold and the rounding error of the count.
    pub(crate) fn zero_count_for(&self, threshold: f64, errors: Option<&FloatHistogram>) -> (f64, f64, f64) {
        let initial_error = errors.map_or(0.0, |c| c.zero_count);
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold, initial_error);
        }
        let mut threshold = threshold;
        'widen: loop {
            let (mut count, mut lost) = (self.zero_count, initial_error);
            for (at, bucket) in self.positive_bucket_iter().enumerate() {
                if bucket.lower >= threshold {
                    break;
                }
                (count, lost) = kahan_inc(bucket.count, count, lost);
                if let Some(c) = errors {
                    (count, lost) = kahan_inc(c.positive_buckets[at], count, lost);
                }
                if bucket.upper > threshold {
                    if bucket.count != 0.0 {
                        threshold = bucket.upper;
                    }
                    break;
                }
            }
            for (at, bucket) in self.negative_bucket_iter().enumerate() {
                if bucket.upper <= -threshold {
                    break;
                }
                (count, lost) = kahan_inc(bucket.count, count, lost);
                if let Some(c) = errors {
                    (count, lost) = kahan_inc(c.negative_buckets[at], count, lost);
                }
                if bucket.lower < -threshold {
                    if bucket.count != 0.0 {
                        threshold = -bucket.lower;
                        continue 'widen;
                    }
                    break;
                }
            }
            return (count, threshold, lost);
        }
    }

    /// Widens the zero bucket until it covers that of `other` and cuts no populated bucket of either. Returns what the zero
    /// count of `other` would be, and its rounding error.
    pub(crate) fn reconcile_zero_buckets(
        &mut self,
        other: &FloatHistogram,
        mut errors: Option<&mut FloatHistogram>,
    ) -> (f64, f64) {
        let (mut count, mut threshold, mut lost) = (other.zero_count, other.zero_threshold, 0.0);
        while threshold != self.zero_threshold {
            if self.zero_threshold > threshold {
                (count, threshold, lost) = other.zero_count_for(self.zero_threshold, None);
            }
            if threshold > self.zero_threshold {
                let (own, wider, own_lost) = self.zero_count_for(threshold, errors.as_deref());
                self.zero_count = own;
                self.zero_threshold = wider;
                if let Some(c) = errors.as_deref_mut() {
                    c.zero_count = own_lost;
                }
                self.drop_buckets_in_zero_bucket(errors.as_deref_mut());
            } else if threshold.is_nan() || self.zero_threshold.is_nan() {
                break;
            }
        }
        (count, lost)
    }

    fn drop_buckets_in_zero_bucket(&mut self, errors: Option<&mut FloatHistogram>) {
        let edge = self.zero_threshold;
        let positive = self.positive_bucket_iter().take_while(|b| b.lower < edge).count();
        let negative = self.negative_bucket_iter().take_while(|b| b.upper > -edge).count();
        self.positive_buckets[..positive].fill(0.0);
        self.negative_buckets[..negative].fill(0.0);
        let Some(c) = errors else {
            self.compact();
            return;
        };
        c.positive_buckets[..positive].fill(0.0);
        c.negative_buckets[..negative].fill(0.0);
        spans::compact(&mut self.positive_spans, &mut self.positive_buckets, Some(&mut c.positive_buckets));
        spans::compact(&mut self.negative_spans, &mut self.negative_buckets, Some(&mut c.negative_buckets));
    }
}
