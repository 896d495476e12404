//! What a bucket costs, and what the cache saves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// One kind of operation or request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Kind {
    operation: String,
}

/// Counters of one bucket; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    requests: Family<Kind, Counter>,
    failed_requests: Family<Kind, Counter>,
    failures: Family<Kind, Counter>,
    pub(super) read_bytes: Counter,
    pub(super) written_bytes: Counter,
    pub(super) cache: CacheCounters,
}

/// Counters of the cache.
#[derive(Clone, Debug, Default)]
pub(super) struct CacheCounters {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) evicted: Counter,
    pub(super) damaged: Counter,
    pub(super) bytes: Gauge,
}

fn kind(operation: &str) -> Kind {
    Kind { operation: operation.to_owned() }
}

impl Counters {
    /// An HTTP request, each attempt by itself, was sent.
    pub(super) fn requested(&self, method: &str) {
        self.requests.get_or_create(&kind(method)).inc();
    }

    /// An HTTP request was not answered, or by an error of the server.
    pub(super) fn request_failed(&self, method: &str) {
        self.failed_requests.get_or_create(&kind(method)).inc();
    }

    /// An operation failed after all attempts.
    pub(super) fn failed(&self, operation: &str) {
        self.failures.get_or_create(&kind(operation)).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("afferent_bucket");
        let text = "HTTP requests to the bucket, each attempt by itself, by method";
        registry.register("requests", text, self.requests.clone());
        let text = "HTTP requests that were not answered, or with a server's error, by method";
        registry.register("failed_requests", text, self.failed_requests.clone());
        registry.register("failures", "Operations that failed after all attempts", self.failures.clone());
        registry.register("read_bytes", "Bytes fetched from the bucket", self.read_bytes.clone());
        registry.register("written_bytes", "Bytes sent to the bucket", self.written_bytes.clone());
        let cache = &self.cache;
        registry.register("cache_hits", "Reads that the local cache answered", cache.hits.clone());
        registry.register("cache_misses", "Reads that had to go to the bucket", cache.misses.clone());
        registry.register("cache_evictions", "Pieces that had to make room", cache.evicted.clone());
        registry.register("cache_damaged", "Pieces that were not what had been kept", cache.damaged.clone());
        registry.register("cache_bytes", "Bytes in the local cache", cache.bytes.clone());
    }
}
