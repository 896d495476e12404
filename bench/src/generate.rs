//! A made-up service platform whose series can be told by their number: the same on every machine and in every run.
//!
//! An instance exposes the process and runtime metrics, request counters and latency histograms that services of a platform
//! do: 100 series, of which 70 belong to histograms of 12 buckets (and sum and count), with 10.2 labels on average.

use model::{Labels, METRIC_NAME};

/// Series of one instance.
pub(crate) const SERIES_PER_INSTANCE: usize = 100;
const HISTOGRAMS: usize = 5;
const HISTOGRAM_SERIES: usize = 14;
const BUCKETS: [&str; 12] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
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
const COUNTERS: [&str; 12] = [
    "process_cpu_seconds_total",
    "http_requests_total",
    "http_request_bytes_total",
    "http_response_bytes_total",
    "db_queries_total",
    "db_errors_total",
    "cache_hits_total",
    "cache_misses_total",
    "queue_published_total",
    "queue_consumed_total",
    "llm_tokens_total",
    "retries_total",
];
const GAUGES: [&str; 18] = [
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
    "runtime_threads",
    "runtime_tasks",
    "runtime_gc_pause_seconds",
    "db_pool_size",
    "db_pool_idle",
    "queue_depth",
    "queue_lag_seconds",
    "cache_entries",
    "cache_bytes",
    "http_in_flight",
    "breaker_open",
    "temperature_celsius",
    "up",
];

/// How a series behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Histogram,
    Counter,
    Gauge,
}

/// A series by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generated {
    instance: usize,
    position: usize,
}

impl Generated {
    /// Series `number`: those of an instance follow each other, as in a scrape.
    pub(crate) fn new(number: usize) -> Self {
        Generated { instance: number / SERIES_PER_INSTANCE, position: number % SERIES_PER_INSTANCE }
    }

    fn kind(self) -> Kind {
        match self.position {
            p if p < HISTOGRAMS * HISTOGRAM_SERIES => Kind::Histogram,
            p if p < HISTOGRAMS * HISTOGRAM_SERIES + COUNTERS.len() => Kind::Counter,
            _ => Kind::Gauge,
        }
    }

    /// All labels, metric name included.
    pub(crate) fn labels(self) -> Labels {
        let service = SERVICES[self.instance % SERVICES.len()];
        let (node, zone) = (self.instance / 40, self.instance % 3);
        let port = 8000 + self.instance % 10;
        let instance = format!("10.{}.{}.{}:{port}", node / 65536, node / 256 % 256, node % 256);
        let pod = format!("{service}-{:08x}-{:05x}", hash(self.instance as u64) as u32, self.instance);
        let mut pairs: Vec<(&str, String)> = vec![
            ("job", format!("platform/{service}")),
            ("instance", instance),
            ("namespace", ["production", "staging"][usize::from(self.instance.is_multiple_of(7))].to_owned()),
            ("pod", pod),
            ("node", format!("node-{node:04}")),
            ("zone", format!("eu-central-1{}", ["a", "b", "c"][zone])),
            ("version", format!("1.{}.{}", self.instance % 5, self.instance % 11)),
        ];
        match self.kind() {
            Kind::Histogram => {
                let route = self.position / HISTOGRAM_SERIES;
                let part = self.position % HISTOGRAM_SERIES;
                pairs.push(("route", format!("/api/v1/{service}/{route}")));
                pairs.push(("method", ["GET", "POST", "PUT"][route % 3].to_owned()));
                let suffix = match part {
                    12 => "sum",
                    13 => "count",
                    bucket => {
                        pairs.push(("le", BUCKETS[bucket].to_owned()));
                        "bucket"
                    }
                };
                pairs.push((METRIC_NAME, format!("http_request_duration_seconds_{suffix}")));
            }
            Kind::Counter => {
                pairs.push((METRIC_NAME, COUNTERS[self.position - HISTOGRAMS * HISTOGRAM_SERIES].to_owned()));
                pairs.push(("status", "200".to_owned()));
                pairs.push(("method", "GET".to_owned()));
            }
            Kind::Gauge => {
                let first = HISTOGRAMS * HISTOGRAM_SERIES + COUNTERS.len();
                pairs.push((METRIC_NAME, GAUGES[self.position - first].to_owned()));
            }
        }
        Labels::from_pairs(pairs)
    }

    /// The value of scrape `round`.
    pub(crate) fn value(self, round: u64) -> f64 {
        let seed = (self.instance * SERIES_PER_INSTANCE + self.position) as u64;
        let noise = hash(seed ^ round << 40);
        let pace = hash(seed) % 40;
        match self.kind() {
            // A sum of seconds; the other series of a histogram count requests.
            Kind::Histogram if self.position % HISTOGRAM_SERIES == 12 => {
                (round * pace) as f64 * 0.0371 + (noise % 1000) as f64 * 1.1e-7
            }
            Kind::Histogram | Kind::Counter if pace < 10 => (hash(seed) % 1000) as f64,
            Kind::Histogram | Kind::Counter => (hash(seed) % 100_000 + round * pace * 3 + noise % pace) as f64,
            Kind::Gauge if pace < 20 => (hash(seed) % 10_000) as f64,
            Kind::Gauge if pace < 30 => (1_000_000 + noise % 5000) as f64 * 4096.0,
            Kind::Gauge => ((noise % 10_000) as f64 / 100.0 * 100.0).round() / 100.0,
        }
    }

    /// Milliseconds by which the scrape of this series' instance is off the full interval.
    pub(crate) fn offset_ms(self, round: u64) -> i64 {
        (hash(self.instance as u64) % 15_000) as i64 + (hash(self.instance as u64 ^ round << 32) % 4) as i64
    }
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
        let all: std::collections::HashSet<Labels> = (0..20_000).map(|i| Generated::new(i).labels()).collect();
        assert_eq!(all.len(), 20_000);
        let labels: usize = all.iter().map(Labels::len).sum();
        let average = labels as f64 / 20_000.0;
        assert!((10.1..10.4).contains(&average), "{average}");
    }
}
