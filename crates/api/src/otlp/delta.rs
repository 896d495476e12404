//! Points that say what was added since the last one, added up to what Prometheus needs.
//!
//! The rules are those of the collector's `deltatocumulative`: a series begins with its first point and keeps that start; a
//! point that is not newer than the last one, or that begins before the series does, is refused; a gap is no reset, because
//! nothing that came is lost by going on. Histograms with other bounds begin anew. Sums are kept in memory only: after a restart,
//! or an hour without a point, a series begins again at its next point, which queries see as a counter reset.

use std::time::Duration;

use hashbrown::HashMap;
use model::{FloatHistogram, Timestamp};
use parking_lot::Mutex;
use thiserror::Error;

use super::points::Explicit;
use crate::ingest::cache::SeriesKey;

/// Series of all tenants together.
const MAX_STREAMS: usize = 500_000;
/// Estimate of the memory of all sums together at most, in bytes.
const MAX_BYTES: usize = 128 << 20;
/// Series without a point for so long are forgotten.
const MAX_STALE: Duration = Duration::from_secs(3600);
/// Memory of a series beside its buckets, in bytes.
const STREAM_BYTES: usize = size_of::<(SeriesKey, Stream)>() + 32;

/// Why a point was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum DeltaFault {
    #[error("the point is not newer than the last one of its series")]
    OutOfOrder,
    #[error("the point begins before its series does; do several processes send it?")]
    OlderStart,
    #[error("there are as many series of delta temporality as can be added up")]
    TooManyStreams,
}

impl DeltaFault {
    /// The word for the `reason` label and the answer.
    pub(super) fn reason(self) -> &'static str {
        match self {
            DeltaFault::OutOfOrder => "delta out of order",
            DeltaFault::OlderStart => "delta with an older start",
            DeltaFault::TooManyStreams => "delta series limit reached",
        }
    }
}

/// What is added up.
#[derive(Clone, Debug)]
pub(super) enum Total {
    Number(f64),
    Explicit(Explicit<'static>),
    Exponential(FloatHistogram),
}

#[derive(Clone, Debug)]
struct Stream {
    start_ns: u64,
    last_ns: u64,
    seen: Timestamp,
    /// Of the change that made it what it is.
    change: u64,
    total: Total,
}

/// How one point changed the sums, so that it can be taken back.
#[derive(Debug)]
pub(super) struct Change {
    key: SeriesKey,
    number: u64,
    before: Option<Stream>,
}

#[derive(Debug, Default)]
struct Streams {
    by_key: HashMap<SeriesKey, Stream>,
    bytes: usize,
    changes: u64,
    swept: Timestamp,
}

/// All sums.
#[derive(Debug)]
pub(super) struct Deltas {
    streams: Mutex<Streams>,
    max_bytes: usize,
}

impl Total {
    fn bytes(&self) -> usize {
        STREAM_BYTES
            + match self {
                Total::Number(_) => 0,
                Total::Explicit(histogram) => 8 * (histogram.bounds.len() + histogram.counts.len()),
                Total::Exponential(histogram) => histogram.accounted_bytes(),
            }
    }

    fn add(&mut self, delta: Total) {
        match (self, delta) {
            (Total::Number(total), Total::Number(delta)) => *total += delta,
            (Total::Explicit(total), Total::Explicit(delta))
                if total.bounds == delta.bounds && total.counts.len() == delta.counts.len() =>
            {
                let counts = total.counts.to_mut().iter_mut();
                counts.zip(delta.counts.iter()).for_each(|(total, delta)| *total = total.saturating_add(*delta));
                total.count = total.count.saturating_add(delta.count);
                total.sum = total.sum.zip(delta.sum).map(|(total, delta)| total + delta);
            }
            (Total::Exponential(total), Total::Exponential(delta)) => {
                // Both have exponential buckets, which always add up.
                if total.add(&delta).is_err() {
                    *total = delta;
                }
                total.counter_reset_hint = model::CounterResetHint::Unknown;
            }
            (total, delta) => *total = delta,
        }
    }
}

impl Streams {
    fn sweep(&mut self, now: Timestamp) {
        let stale_ms = MAX_STALE.as_millis() as i64;
        if now.ms() < self.swept.ms() + stale_ms / 10 {
            return;
        }
        self.swept = now;
        self.by_key.retain(|_, stream| stream.seen.ms() + stale_ms > now.ms());
        self.bytes = self.by_key.values().map(|stream| stream.total.bytes()).sum();
        if self.by_key.capacity() > 4 * self.by_key.len() {
            self.by_key.shrink_to_fit();
        }
    }

    fn put(&mut self, key: SeriesKey, stream: Stream) -> Option<Stream> {
        self.bytes += stream.total.bytes();
        let before = self.by_key.insert(key, stream);
        self.bytes -= before.as_ref().map_or(0, |stream| stream.total.bytes());
        before
    }
}

impl Deltas {
    /// Sums of at most so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let max_bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(MAX_BYTES);
        Deltas { streams: Mutex::default(), max_bytes }
    }

    /// Series that are added up.
    pub(super) fn len(&self) -> usize {
        self.streams.lock().by_key.len()
    }

    /// Adds a point; times are in nanoseconds. Answers where the series began and its total, and how to take the point back.
    pub(super) fn add(
        &self,
        key: SeriesKey,
        (start_ns, time_ns): (u64, u64),
        delta: Total,
        now: Timestamp,
    ) -> Result<(u64, Total, Change), DeltaFault> {
        let mut streams = self.streams.lock();
        streams.sweep(now);
        let stream = match streams.by_key.get(&key) {
            Some(known) if time_ns <= known.last_ns => return Err(DeltaFault::OutOfOrder),
            Some(known) if start_ns < known.start_ns => return Err(DeltaFault::OlderStart),
            Some(known) => {
                let mut stream = known.clone();
                stream.total.add(delta);
                stream
            }
            None if streams.by_key.len() >= MAX_STREAMS || streams.bytes + delta.bytes() > self.max_bytes => {
                return Err(DeltaFault::TooManyStreams);
            }
            None => Stream { start_ns, last_ns: time_ns, seen: now, change: 0, total: delta },
        };
        streams.changes += 1;
        let number = streams.changes;
        let (start_ns, total) = (stream.start_ns, stream.total.clone());
        let before = streams.put(key, Stream { last_ns: time_ns, seen: now, change: number, ..stream });
        Ok((start_ns, total, Change { key, number, before }))
    }

    /// Takes points back that were not stored, so that they can be sent again. What others changed since then stays.
    pub(super) fn take_back(&self, changes: Vec<Change>) {
        let mut streams = self.streams.lock();
        for Change { key, number, before } in changes.into_iter().rev() {
            if streams.by_key.get(&key).is_none_or(|stream| stream.change != number) {
                continue;
            }
            match before {
                Some(before) => _ = streams.put(key, before),
                None => {
                    let removed = streams.by_key.remove(&key);
                    streams.bytes -= removed.map_or(0, |stream| stream.total.bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::borrow::Cow;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn key(n: u8) -> SeriesKey {
        SeriesKey::of(&[n])
    }

    fn add(deltas: &Deltas, times: (u64, u64), delta: f64) -> Result<(u64, f64), DeltaFault> {
        let (start, total, _) = deltas.add(key(1), times, Total::Number(delta), NOW)?;
        let Total::Number(total) = total else { panic!("a number stays a number") };
        Ok((start, total))
    }

    #[test]
    fn sums_with_gaps_and_late_points() {
        let deltas = Deltas::new(u64::MAX);
        assert_eq!(add(&deltas, (100, 200), 5.0), Ok((100, 5.0)));
        assert_eq!(add(&deltas, (200, 300), 2.0), Ok((100, 7.0)));
        assert_eq!(add(&deltas, (200, 300), 2.0), Err(DeltaFault::OutOfOrder));
        assert_eq!(add(&deltas, (250, 290), 2.0), Err(DeltaFault::OutOfOrder));
        assert_eq!(add(&deltas, (50, 400), 2.0), Err(DeltaFault::OlderStart));
        assert_eq!(add(&deltas, (900, 1000), 1.0), Ok((100, 8.0)));
        assert_eq!(deltas.len(), 1);
    }

    #[test]
    fn forgotten_after_an_hour() {
        let deltas = Deltas::new(u64::MAX);
        add(&deltas, (100, 200), 5.0).unwrap();
        let later = NOW.plus_ms(3_600_000);
        deltas.add(key(2), (1, 2), Total::Number(1.0), later).unwrap();
        assert_eq!(deltas.len(), 1);
        let (start, ..) = deltas.add(key(1), (300, 400), Total::Number(1.0), later).unwrap();
        assert_eq!(start, 300);
    }

    #[test]
    fn other_bounds_begin_anew() {
        let histogram = |bounds: &[f64], counts: &[u64]| {
            Total::Explicit(Explicit {
                bounds: Cow::Owned(bounds.to_vec()),
                counts: Cow::Owned(counts.to_vec()),
                count: counts.iter().sum(),
                sum: Some(1.5),
            })
        };
        let deltas = Deltas::new(u64::MAX);
        let mut last = (Vec::new(), 0, None);
        for (time, bounds, counts) in
            [(2, [1.0], [1, 2]), (3, [1.0], [10, 20]), (4, [2.0], [3, 3])] as [(u64, [f64; 1], [u64; 2]); 3]
        {
            let (_, total, _) = deltas.add(key(1), (1, time), histogram(&bounds, &counts), NOW).unwrap();
            let Total::Explicit(total) = total else { panic!("a histogram stays one") };
            if time == 3 {
                assert_eq!((&*total.counts, total.count, total.sum), (&[11, 22][..], 33, Some(3.0)));
            }
            last = (total.counts.to_vec(), total.count, total.sum);
        }
        assert_eq!(last, (vec![3, 3], 6, Some(1.5)));
    }

    proptest! {
        /// Whatever is taken back leaves no trace, and the account of memory is exact.
        #[test]
        fn taken_back(points in prop::collection::vec((0_u8..4, 0_u64..40, -5_i32..50, any::<bool>()), 0..60)) {
            let (tried, untouched) = (Deltas::new(u64::MAX), Deltas::new(u64::MAX));
            for (n, time, value, stays) in points {
                let delta = || Total::Number(f64::from(value));
                let added = tried.add(key(n), (0, time), delta(), NOW);
                if !stays {
                    if let Ok((.., change)) = added {
                        tried.take_back(vec![change]);
                    }
                } else {
                    let want = untouched.add(key(n), (0, time), delta(), NOW).map(|(.., t, _)| format!("{t:?}"));
                    prop_assert_eq!(added.map(|(.., t, _)| format!("{t:?}")), want);
                }
            }
            let (tried, untouched) = (tried.streams.lock(), untouched.streams.lock());
            prop_assert_eq!(tried.bytes, untouched.bytes);
            prop_assert_eq!(tried.bytes, tried.by_key.values().map(|s| s.total.bytes()).sum::<usize>());
        }
    }
}
