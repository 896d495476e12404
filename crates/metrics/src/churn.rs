//! Which metrics lose and gain series: what came and went in the last hour, by metric name.

use std::collections::VecDeque;

use hashbrown::HashMap;
use serde::Serialize;

const HOUR_MS: i64 = 3_600_000;
const WINDOW_MS: i64 = 5 * 60_000;
/// Windows that are kept: an hour, and the one under way.
const WINDOWS: usize = 13;
/// Metrics told apart in a window; what others do in it counts for the store alone.
const MAX_METRICS: usize = 2000;

/// Series of one metric that came and went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricChurn {
    /// The metric.
    pub name: String,
    /// Series that were made, in the last hour or since the start.
    pub created_per_hour: f64,
    /// Series that left the head, in the last hour or since the start.
    pub removed_per_hour: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moves {
    created: u64,
    removed: u64,
}

#[derive(Debug, Default)]
struct Window {
    start_ms: i64,
    by_metric: HashMap<String, Moves>,
}

impl Window {
    fn at(&mut self, metric: &str) -> Option<&mut Moves> {
        if self.by_metric.len() >= MAX_METRICS && !self.by_metric.contains_key(metric) {
            return None;
        }
        Some(self.by_metric.entry_ref(metric).or_default())
    }
}

/// The last hour of one tenant, in windows of five minutes.
#[derive(Debug, Default)]
pub(crate) struct Churn {
    windows: VecDeque<Window>,
}

impl Churn {
    /// Begins the next window once the present one is over. What is noted before the first call is not kept.
    pub(crate) fn turn(&mut self, now_ms: i64) {
        if self.windows.back().is_some_and(|last| now_ms - last.start_ms < WINDOW_MS) {
            return;
        }
        self.windows.push_back(Window { start_ms: now_ms, ..Window::default() });
        if self.windows.len() > WINDOWS {
            self.windows.pop_front();
        }
    }

    pub(crate) fn created(&mut self, metric: &str) {
        if let Some(moves) = self.windows.back_mut().and_then(|window| window.at(metric)) {
            moves.created += 1;
        }
    }

    pub(crate) fn removed(&mut self, metric: &str) {
        if let Some(moves) = self.windows.back_mut().and_then(|window| window.at(metric)) {
            moves.removed += 1;
        }
    }

    /// The metrics with most series that came or went, and the time that they were counted over, in milliseconds.
    pub(crate) fn top(&self, now_ms: i64, keep: usize, is_wanted: impl Fn(&str) -> bool) -> (Vec<MetricChurn>, i64) {
        let Some(first) = self.windows.front() else { return (Vec::new(), 0) };
        let over_ms = (now_ms - first.start_ms).max(0);
        let mut sums: HashMap<&str, Moves> = HashMap::new();
        for (metric, moves) in self.windows.iter().flat_map(|window| &window.by_metric) {
            if is_wanted(metric) {
                let sum = sums.entry(metric).or_default();
                sum.created += moves.created;
                sum.removed += moves.removed;
            }
        }
        let mut list: Vec<(&str, Moves)> = sums.into_iter().collect();
        list.sort_unstable_by(|(a, x), (b, y)| (y.created + y.removed).cmp(&(x.created + x.removed)).then(a.cmp(b)));
        list.truncate(keep);
        // What came in the first minutes says nothing about the hour.
        let per_hour = |count: u64| count as f64 * HOUR_MS as f64 / over_ms.max(HOUR_MS) as f64;
        let metric = |(name, moves): (&str, Moves)| MetricChurn {
            name: name.to_owned(),
            created_per_hour: per_hour(moves.created),
            removed_per_hour: per_hour(moves.removed),
        };
        (list.into_iter().map(metric).collect(), over_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_moves() {
        let mut churn = Churn::default();
        churn.created("before the first turn");
        assert_eq!(churn.top(0, 9, |_| true), (Vec::new(), 0));
        for minute in 0..180 {
            churn.turn(minute * 60_000);
            (0..minute / 60 + 1).for_each(|_| churn.created("up"));
            churn.removed("down");
        }
        let (list, over_ms) = churn.top(180 * 60_000, 9, |_| true);
        assert_eq!(over_ms, 65 * 60_000, "an hour and the window under way");
        let names: Vec<&str> = list.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["up", "down"]);
        assert!((list[1].removed_per_hour - 60.0).abs() < 1e-9 && list[1].created_per_hour == 0.0, "{list:?}");
        assert_eq!(churn.top(180 * 60_000, 1, |name| name == "down").0[0].name, "down");
    }

    #[test]
    fn it_is_bounded() {
        let mut churn = Churn::default();
        churn.turn(0);
        (0..3 * MAX_METRICS).for_each(|n| churn.created(&n.to_string()));
        churn.created("0");
        let (list, _) = churn.top(3_600_000, usize::MAX, |_| true);
        assert_eq!((list.len(), list[0].name.as_str(), list[0].created_per_hour), (MAX_METRICS, "0", 2.0));
    }
}
