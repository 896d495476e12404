//! How fast things happen: counters as they stood at moments of the last hour, and what has been added since.

use std::collections::VecDeque;

use model::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Moments are not kept closer than this.
const APART_MS: i64 = 5000;

/// Counters of a store at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) samples: u64,
    pub(crate) series_created: u64,
    pub(crate) series_removed: u64,
}

/// Samples taken in the last minute and series that came and went in the last hour, of all tenants. A store that has not run
/// for so long tells of the time since its start: all series come in its first minutes, so nothing is made of that for an
/// hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pace {
    /// Samples taken per second.
    pub samples_per_second: f64,
    /// Samples taken per second over the time that the series were counted over.
    pub samples_per_second_over_hour: f64,
    /// Series that were made, in the last hour or since the start.
    pub series_created_per_hour: f64,
    /// Series that left the head, in the last hour or since the start.
    pub series_removed_per_hour: f64,
    /// The time that the series were counted over, in milliseconds.
    pub series_over_ms: i64,
}

/// Samples taken over about a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// When the minute ended, in milliseconds since the epoch.
    pub time_ms: i64,
    /// Samples taken per second.
    pub samples_per_second: f64,
}

/// The moments of the last hour.
#[derive(Debug, Default)]
pub(crate) struct Moments(Mutex<VecDeque<(i64, Counted)>>);

impl Moments {
    /// Keeps the present.
    pub(crate) fn note(&self, now: Timestamp, counted: Counted) {
        let (now, mut moments) = (now.ms(), self.0.lock());
        if moments.back().is_some_and(|(last, _)| now - last < APART_MS) {
            return;
        }
        // One moment before the hour stays, to count from.
        while moments.get(1).is_some_and(|(time, _)| now - time >= HOUR_MS) {
            moments.pop_front();
        }
        moments.push_back((now, counted));
    }

    /// What has been added up to the present.
    pub(crate) fn pace(&self, now: Timestamp, counted: Counted) -> Pace {
        let (now, moments) = (now.ms(), self.0.lock());
        let since = |span: i64| {
            let first_within = moments.partition_point(|(time, _)| now - time > span);
            let first = moments.get(first_within).or(moments.back());
            first.copied().unwrap_or((now, counted))
        };
        let ((minute, then), (hour, before)) = (since(MINUTE_MS), since(HOUR_MS));
        let hours = |before: u64, after: u64| per(before, after, (now - hour).max(HOUR_MS), HOUR_MS);
        Pace {
            samples_per_second: per(then.samples, counted.samples, now - minute, 1000),
            samples_per_second_over_hour: per(before.samples, counted.samples, now - hour, 1000),
            series_created_per_hour: hours(before.series_created, counted.series_created),
            series_removed_per_hour: hours(before.series_removed, counted.series_removed),
            series_over_ms: now - hour,
        }
    }

    /// The minutes of the last hour, the oldest first; the one that has not ended is left out.
    pub(crate) fn rates(&self) -> Vec<Rate> {
        let moments = self.0.lock();
        let mut rates = Vec::new();
        let Some((mut since, mut before)) = moments.front().copied() else { return rates };
        for (time, counted) in moments.iter().copied() {
            if time - since >= MINUTE_MS {
                let samples_per_second = per(before.samples, counted.samples, time - since, 1000);
                rates.push(Rate { time_ms: time, samples_per_second });
                (since, before) = (time, counted);
            }
        }
        rates
    }
}

fn per(before: u64, after: u64, elapsed_ms: i64, unit_ms: i64) -> f64 {
    if elapsed_ms <= 0 { 0.0 } else { after.saturating_sub(before) as f64 * unit_ms as f64 / elapsed_ms as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> (Timestamp, Counted) {
        let n = seconds as u64;
        (Timestamp(seconds * 1000), Counted { samples: 100 * n, series_created: n, series_removed: n / 2 })
    }

    #[test]
    fn a_steady_stream_keeps_its_pace() {
        let moments = Moments::default();
        assert_eq!(moments.pace(at(0).0, at(0).1), Pace::default());
        for seconds in 0..10_000 {
            moments.note(at(seconds).0, at(seconds).1);
        }
        assert!(moments.0.lock().len() <= 722);
        let pace = moments.pace(at(10_000).0, at(10_000).1);
        assert!((pace.samples_per_second - 100.0).abs() < 1e-9, "{pace:?}");
        assert!((pace.series_created_per_hour - 3600.0).abs() < 6.0 && pace.series_over_ms <= HOUR_MS, "{pace:?}");
        assert!((pace.samples_per_second_over_hour - 100.0).abs() < 1e-9, "{pace:?}");
        let rates = moments.rates();
        assert!((59..=60).contains(&rates.len()), "{}", rates.len());
        assert!(rates.iter().all(|rate| (rate.samples_per_second - 100.0).abs() < 1e-9), "{rates:?}");
        assert!(rates.is_sorted_by(|a, b| b.time_ms - a.time_ms >= MINUTE_MS));
        let stopped = moments.pace(at(20_000).0, at(10_000).1);
        assert!(stopped.samples_per_second < 1.0, "{stopped:?}");
    }

    #[test]
    fn a_young_store_tells_of_the_time_it_has_run() {
        let moments = Moments::default();
        moments.note(at(100).0, at(100).1);
        let pace = moments.pace(at(110).0, at(110).1);
        assert_eq!((pace.samples_per_second, pace.series_created_per_hour), (100.0, 10.0));
        assert_eq!(pace.series_over_ms, 10_000);
        assert_eq!(moments.rates(), []);
    }
}
