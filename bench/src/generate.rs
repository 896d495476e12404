//! A made-up service platform whose series can be told by their number: the same on every machine and in every run.
//!
//! An instance exposes what a service of a platform does: 100 series with 10.2 labels on average, of which 42 belong to
//! histograms of 12 buckets, 36 are counters, 18 are gauges and 4 never change.

use model::{Labels, METRIC_NAME};

/// Series of one instance.
pub(crate) const SERIES_PER_INSTANCE: usize = 100;
const ROUTES: usize = 3;
const PARTS: usize = BUCKETS.len() + 2;
const HISTOGRAM_SERIES: usize = ROUTES * PARTS;
const BUCKETS: [&str; 12] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
/// How much of the requests is at most as slow as each bucket says.
const SHARES: [f64; 12] = [0.02, 0.07, 0.19, 0.38, 0.61, 0.82, 0.91, 0.957, 0.984, 0.995, 0.9989, 1.0];
const SERVICES: [&str; 20] = [
    "gateway",
    "auth",
    "billing",
    "catalog",
    "search",
    "orders",
    "payments",
    "shipping",
    "inventory",
    "users",
    "sessions",
    "emails",
    "reports",
    "ledger",
    "pricing",
    "reviews",
    "media",
    "events",
    "exports",
    "admin",
];
const METHODS: [&str; 3] = ["GET", "POST", "PUT"];
const STATUSES: [&str; 4] = ["200", "204", "404", "500"];
const MODES: [&str; 8] = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];
const COUNTERS: [&str; 8] = [
    "db_queries_total",
    "db_errors_total",
    "cache_hits_total",
    "cache_misses_total",
    "queue_published_total",
    "queue_consumed_total",
    "llm_tokens_total",
    "retries_total",
];
const BYTE_GAUGES: [&str; 4] =
    ["process_resident_memory_bytes", "process_virtual_memory_bytes", "cache_bytes", "heap_bytes"];
const COUNT_GAUGES: [&str; 8] = [
    "runtime_threads",
    "runtime_tasks",
    "process_open_fds",
    "db_pool_idle",
    "queue_depth",
    "cache_entries",
    "http_in_flight",
    "breaker_open",
];
const DECIMAL_GAUGES: [&str; 6] = [
    "temperature_celsius",
    "runtime_gc_pause_seconds",
    "queue_lag_seconds",
    "cpu_utilisation_percent",
    "load_average",
    "battery_volts",
];
const CONSTANTS: [&str; 4] = ["up", "process_max_fds", "process_start_time_seconds", "db_pool_size"];

/// What a series shows, with its number among those that show the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Route, and bucket, sum or count.
    Histogram(usize, usize),
    Requests(usize),
    Cpu(usize),
    Counter(usize),
    Bytes(usize),
    Count(usize),
    Decimal(usize),
    Constant(usize),
}

/// A series by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generated {
    instance: usize,
    position: usize,
    kind: Kind,
}

impl Generated {
    /// Series `number`: those of an instance follow each other, as in a scrape.
    pub(crate) fn new(number: usize) -> Self {
        let (instance, position) = (number / SERIES_PER_INSTANCE, number % SERIES_PER_INSTANCE);
        type Make = fn(usize) -> Kind;
        let kinds: [(usize, Make); 8] = [
            (HISTOGRAM_SERIES, |n| Kind::Histogram(n / PARTS, n % PARTS)),
            (METHODS.len() * STATUSES.len(), Kind::Requests),
            (2 * MODES.len(), Kind::Cpu),
            (COUNTERS.len(), Kind::Counter),
            (BYTE_GAUGES.len(), Kind::Bytes),
            (COUNT_GAUGES.len(), Kind::Count),
            (DECIMAL_GAUGES.len(), Kind::Decimal),
            (CONSTANTS.len(), Kind::Constant),
        ];
        let mut rest = position;
        for (count, kind) in kinds {
            if rest < count {
                return Generated { instance, position, kind: kind(rest) };
            }
            rest -= count;
        }
        unreachable!("the kinds make up {SERIES_PER_INSTANCE} series")
    }

    /// The address of an instance, as its label has it.
    pub(crate) fn address(instance: usize) -> String {
        format!("10.{}.{}.{}:{}", instance / 65536, instance / 256 % 256, instance % 256, 8000 + instance % 10)
    }

    /// All labels, metric name included. An instance that was replaced has another pod.
    pub(crate) fn labels(self, incarnation: u64) -> Labels {
        let service = SERVICES[self.instance % SERVICES.len()];
        let pod = hash(self.instance as u64 ^ incarnation << 48) as u32;
        let version = || format!("1.{}.{}", self.instance % 5, self.instance % 11);
        let mut pairs: Vec<(&str, String)> = vec![
            ("job", format!("platform/{service}")),
            ("service", service.to_owned()),
            ("instance", Self::address(self.instance)),
            ("namespace", ["production", "staging"][usize::from(self.instance.is_multiple_of(7))].to_owned()),
            ("pod", format!("{service}-{pod:08x}-{:05x}", self.instance)),
            ("node", format!("node-{:04}", self.instance / 40)),
            ("zone", format!("eu-central-1{}", ["a", "b", "c"][self.instance % 3])),
        ];
        let name = match self.kind {
            Kind::Histogram(route, part) => {
                pairs.push(("route", format!("/api/v1/{service}/{route}")));
                pairs.push(("method", METHODS[route].to_owned()));
                if let Some(bound) = BUCKETS.get(part) {
                    pairs.push(("le", (*bound).to_owned()));
                }
                let suffix = ["bucket", "sum", "count"][(part + 1).saturating_sub(BUCKETS.len())];
                format!("http_request_duration_seconds_{suffix}")
            }
            Kind::Requests(n) => {
                pairs.push(("route", format!("/api/v1/{service}/{}", n % ROUTES)));
                pairs.push(("method", METHODS[n % METHODS.len()].to_owned()));
                pairs.push(("status", STATUSES[n / METHODS.len()].to_owned()));
                "http_requests_total".to_owned()
            }
            Kind::Cpu(n) => {
                pairs.push(("cpu", (n / MODES.len()).to_string()));
                pairs.push(("mode", MODES[n % MODES.len()].to_owned()));
                "node_cpu_seconds_total".to_owned()
            }
            Kind::Counter(n) => {
                pairs.push(("version", version()));
                COUNTERS[n].to_owned()
            }
            Kind::Bytes(n) => {
                pairs.push(("version", version()));
                BYTE_GAUGES[n].to_owned()
            }
            Kind::Count(n) => {
                pairs.push(("version", version()));
                COUNT_GAUGES[n].to_owned()
            }
            Kind::Decimal(n) => {
                pairs.push(("version", version()));
                DECIMAL_GAUGES[n].to_owned()
            }
            Kind::Constant(n) => {
                pairs.push(("version", version()));
                CONSTANTS[n].to_owned()
            }
        };
        pairs.push((METRIC_NAME, name));
        Labels::from_pairs(pairs)
    }

    /// The value `round` scrapes after the instance began.
    pub(crate) fn value(self, round: u64) -> f64 {
        let seed = hash((self.instance * SERIES_PER_INSTANCE + self.position) as u64);
        let noise = hash(seed ^ round << 40);
        let pace = seed % 40;
        // A quarter of the counters stands still.
        let counted = |pace: u64| if pace < 10 { seed % 1000 } else { round * pace * 3 + noise % pace };
        match self.kind {
            Kind::Histogram(route, part) => {
                // All series of a histogram tell of the same requests.
                let shared = hash((self.instance * ROUTES + route) as u64 ^ 1 << 60);
                let pace = shared % 40;
                let count = if pace < 4 { shared % 1000 } else { round * pace * 3 + hash(shared ^ round << 40) % pace };
                match SHARES.get(part) {
                    Some(share) => (count as f64 * share).floor(),
                    // Requests take 37 ms, give or take; where none comes in, the sum stands still as well.
                    None if part == BUCKETS.len() => {
                        let spread = if pace < 4 { 0 } else { noise % 1000 };
                        count as f64 * 0.037_124_381 + spread as f64 * 1.1e-7
                    }
                    None => count as f64,
                }
            }
            Kind::Requests(_) | Kind::Counter(_) => counted(pace) as f64,
            // Hundredths of seconds; an interval has 1500 of them.
            Kind::Cpu(n) if n % MODES.len() == 0 => (round * 1100 + noise % 250) as f64 / 100.0,
            Kind::Cpu(_) => counted(pace) as f64 / 100.0,
            Kind::Bytes(_) if pace < 20 => (10_000 + seed % 10_000 + round / 7) as f64 * 4096.0,
            Kind::Bytes(_) => (100_000 + seed % 100_000 + noise % 1000) as f64 * 4096.0,
            Kind::Count(_) if pace < 20 => (seed % 100 + (hash(seed ^ (round / 20) << 40) % 3)) as f64,
            Kind::Count(_) => (seed % 100 + noise % 12) as f64,
            Kind::Decimal(_) => {
                let wave = ((round as f64 / 40.0 + (seed % 100) as f64).sin() * 800.0) as i64;
                (3000 + (seed % 2000) as i64 + wave + (noise % 60) as i64) as f64 / 100.0
            }
            Kind::Constant(0) => 1.0,
            Kind::Constant(_) => (seed % 10_000) as f64,
        }
    }

    /// Milliseconds by which the scrape of this series' instance is off the full interval.
    pub(crate) fn offset_ms(self, round: u64) -> i64 {
        (hash(self.instance as u64) % 14_990) as i64 + (hash(self.instance as u64 ^ round << 32) % 4) as i64
    }

    /// The scrape at which the instance starts anew: one of 50 is replaced by another pod, one of 50 only restarted. All of it
    /// happens in the middle half of `rounds`.
    pub(crate) fn restart(self, rounds: u64) -> Option<Restart> {
        let at = rounds / 4 + hash(self.instance as u64 ^ 1 << 50) % (rounds / 2).max(1);
        match self.instance % 50 {
            7 => Some(Restart { at, replaced: true }),
            31 => Some(Restart { at, replaced: false }),
            _ => None,
        }
    }
}

/// A new beginning of an instance: its counters start from zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restart {
    /// First scrape of the new process.
    pub(crate) at: u64,
    /// Whether the labels change.
    pub(crate) replaced: bool,
}

/// splitmix64: spreads neighbouring numbers.
fn hash(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_differ_and_have_ten_labels() {
        let all: std::collections::HashSet<Labels> = (0..20_000).map(|i| Generated::new(i).labels(0)).collect();
        assert_eq!(all.len(), 20_000);
        let labels: usize = all.iter().map(Labels::len).sum();
        let average = labels as f64 / 20_000.0;
        assert!((10.1..10.3).contains(&average), "{average}");
    }

    #[test]
    fn counters_grow_and_buckets_hold_each_other() {
        for number in 0..10_000 {
            let series = Generated::new(number);
            let values: Vec<f64> = (0..40).map(|round| series.value(round)).collect();
            if matches!(series.kind, Kind::Histogram(..) | Kind::Requests(_) | Kind::Cpu(_) | Kind::Counter(_)) {
                assert!(values.is_sorted(), "{series:?} {values:?}");
            }
            if let Kind::Histogram(_, part) = series.kind
                && part + 1 < BUCKETS.len()
            {
                assert!(values[39] <= Generated::new(number + 1).value(39), "{series:?}");
            }
        }
    }
}
