//! What scraping says of itself, under Prometheus' names. (Its summaries are here only as the histograms beside them.)

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Label of metrics about one pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct JobLabel {
    pub(crate) scrape_job: String,
}

/// Labels of the counter of failed scrapes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FailureLabels {
    pub(crate) scrape_job: String,
    /// `connection`, `http_status`, `incomplete_body`, `content_type`, `body_size_limit`, or `exposition` (malformed, over
    /// another limit, or not taken by the store).
    pub(crate) reason: &'static str,
}

/// Label of metrics about one interval length.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct IntervalLabel {
    pub(crate) interval: String,
}

type SecondsHistogram = fn() -> Histogram;

fn seconds_histogram() -> Histogram {
    Histogram::new([0.01, 0.1, 1.0, 10.0])
}

fn duration_histogram() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0])
}

/// Counters, gauges and histograms of all pools.
#[derive(Debug)]
pub(crate) struct ScrapeMetrics {
    pub(crate) pools: Counter,
    pub(crate) pools_failed: Counter,
    pub(crate) pool_reloads: Counter,
    pub(crate) pool_reloads_failed: Counter,
    pub(crate) exceeded_target_limit: Counter,
    pub(crate) exceeded_label_limits: Counter,
    pub(crate) exceeded_sample_limit: Counter,
    pub(crate) exceeded_body_size_limit: Counter,
    pub(crate) exceeded_bucket_limit: Counter,
    pub(crate) sample_duplicate: Counter,
    pub(crate) sample_out_of_order: Counter,
    pub(crate) sample_out_of_bounds: Counter,
    pub(crate) sample_rejected: Counter,
    pub(crate) append_failed: Counter,
    pub(crate) failures: Family<FailureLabels, Counter>,
    pub(crate) cache_flush_forced: Counter,
    pub(crate) scrape_duration: Histogram,
    pub(crate) target_limit: Family<JobLabel, Gauge>,
    pub(crate) targets: Family<JobLabel, Gauge>,
    pub(crate) syncs: Family<JobLabel, Counter>,
    pub(crate) sync_failed: Family<JobLabel, Counter>,
    pub(crate) sync_length: Family<JobLabel, Histogram, SecondsHistogram>,
    pub(crate) interval_length: Family<IntervalLabel, Histogram, SecondsHistogram>,
    pub(crate) sd_file_read_errors: Counter,
    pub(crate) sd_http_failures: Counter,
    pub(crate) sd_dns_lookups: Counter,
    pub(crate) sd_dns_failures: Counter,
}

impl Default for ScrapeMetrics {
    fn default() -> Self {
        ScrapeMetrics {
            pools: Counter::default(),
            pools_failed: Counter::default(),
            pool_reloads: Counter::default(),
            pool_reloads_failed: Counter::default(),
            exceeded_target_limit: Counter::default(),
            exceeded_label_limits: Counter::default(),
            exceeded_sample_limit: Counter::default(),
            exceeded_body_size_limit: Counter::default(),
            exceeded_bucket_limit: Counter::default(),
            sample_duplicate: Counter::default(),
            sample_out_of_order: Counter::default(),
            sample_out_of_bounds: Counter::default(),
            sample_rejected: Counter::default(),
            append_failed: Counter::default(),
            failures: Family::default(),
            cache_flush_forced: Counter::default(),
            scrape_duration: duration_histogram(),
            target_limit: Family::default(),
            targets: Family::default(),
            syncs: Family::default(),
            sync_failed: Family::default(),
            sync_length: Family::new_with_constructor(seconds_histogram),
            interval_length: Family::new_with_constructor(seconds_histogram),
            sd_file_read_errors: Counter::default(),
            sd_http_failures: Counter::default(),
            sd_dns_lookups: Counter::default(),
            sd_dns_failures: Counter::default(),
        }
    }
}

impl ScrapeMetrics {
    /// Adds everything to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let counters = [
            ("scrape_pools", "Total number of scrape pool creation attempts", &self.pools),
            ("scrape_pools_failed", "Total number of scrape pool creations that failed", &self.pools_failed),
            ("scrape_pool_reloads", "Total number of scrape pool reloads", &self.pool_reloads),
            ("scrape_pool_reloads_failed", "Total number of failed scrape pool reloads", &self.pool_reloads_failed),
            (
                "scrape_pool_exceeded_target_limit",
                "Total number of times scrape pools hit the target limit, during sync or config reload",
                &self.exceeded_target_limit,
            ),
            (
                "scrape_pool_exceeded_label_limits",
                "Total number of times scrape pools hit the label limits, during sync or config reload",
                &self.exceeded_label_limits,
            ),
            (
                "scrapes_exceeded_sample_limit",
                "Total number of scrapes that hit the sample limit and were rejected",
                &self.exceeded_sample_limit,
            ),
            (
                "scrapes_exceeded_body_size_limit",
                "Total number of scrapes that hit the body size limit",
                &self.exceeded_body_size_limit,
            ),
            (
                "scrapes_exceeded_native_histogram_bucket_limit",
                "Total number of scrapes that hit the native histogram bucket limit and were rejected",
                &self.exceeded_bucket_limit,
            ),
            (
                "scrapes_sample_duplicate_timestamp",
                "Total number of samples rejected due to duplicate timestamps but different values",
                &self.sample_duplicate,
            ),
            (
                "scrapes_sample_out_of_order",
                "Total number of samples rejected due to not being out of the expected order",
                &self.sample_out_of_order,
            ),
            (
                "scrapes_sample_out_of_bounds",
                "Total number of samples rejected due to timestamp falling outside of the time bounds",
                &self.sample_out_of_bounds,
            ),
            (
                "scrapes_sample_rejected",
                "Total number of samples that the store rejected for other reasons",
                &self.sample_rejected,
            ),
            ("scrapes_append_failed", "Total number of scrapes that the store did not take", &self.append_failed),
            (
                "scrapes_cache_flush_forced",
                "How many times a scrape cache was flushed due to getting big while scrapes are failing",
                &self.cache_flush_forced,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(format!("prometheus_target_{name}"), help, counter.clone());
        }
        registry.register("afferent_scrape_failures", "Failed scrapes by reason", self.failures.clone());
        registry.register(
            "prometheus_target_scrape_duration_seconds",
            "Total duration of the scrape from start to commit completion in seconds",
            self.scrape_duration.clone(),
        );
        registry.register(
            "prometheus_target_scrape_pool_target_limit",
            "Maximum number of targets allowed in this scrape pool",
            self.target_limit.clone(),
        );
        registry.register(
            "prometheus_target_scrape_pool_targets",
            "Current number of targets in this scrape pool",
            self.targets.clone(),
        );
        registry.register(
            "prometheus_target_scrape_pool_sync",
            "Total number of syncs that were executed on a scrape pool",
            self.syncs.clone(),
        );
        registry.register(
            "prometheus_target_sync_failed",
            "Total number of target sync failures",
            self.sync_failed.clone(),
        );
        registry.register(
            "prometheus_target_sync_length_histogram_seconds",
            "Actual interval to sync the scrape pool",
            self.sync_length.clone(),
        );
        registry.register(
            "prometheus_target_interval_length_histogram_seconds",
            "Actual intervals between scrapes",
            self.interval_length.clone(),
        );
        let discovery = [
            ("file_read_errors", "The number of File-SD read errors", &self.sd_file_read_errors),
            ("http_failures", "Number of HTTP service discovery refresh failures", &self.sd_http_failures),
            ("dns_lookups", "The number of DNS-SD lookups", &self.sd_dns_lookups),
            ("dns_lookup_failures", "The number of DNS-SD lookup failures", &self.sd_dns_failures),
        ];
        for (name, help, counter) in discovery {
            registry.register(format!("prometheus_sd_{name}"), help, counter.clone());
        }
    }

    /// Forgets what was said of a pool that is gone.
    pub(crate) fn remove_pool(&self, pool: &str) {
        let label = JobLabel { scrape_job: pool.to_owned() };
        self.target_limit.remove(&label);
        self.targets.remove(&label);
        self.syncs.remove(&label);
        self.sync_failed.remove(&label);
        self.sync_length.remove(&label);
    }
}
