//! An API over series in memory, and what tests ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{Api, ConfigSnapshot, Door, DoorPolicy, HttpMetrics, Parts, Readiness, Targets};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use metrics::{Store, StoreOptions};
use model::{Labels, ManualClock, SeriesSource, Timestamp};
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use promql::engine::{Engine, EngineOptions};
use scrape::{RelabelStep, ScrapeError, TargetMetadata, TargetsSnapshot};
use tower::ServiceExt;

use crate::memory_source::MemorySource;

pub(crate) const SERIES: &str = include_str!("data/series.om");

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().expect("ASCII"))
    }
}

/// Targets as the test gives them.
#[derive(Default)]
pub(crate) struct FixedTargets {
    pub(crate) snapshot: TargetsSnapshot,
    pub(crate) metadata: Vec<TargetMetadata>,
}

impl Targets for FixedTargets {
    fn snapshot(&self) -> TargetsSnapshot {
        self.snapshot.clone()
    }

    fn pools(&self) -> Vec<String> {
        let mut pools: Vec<String> = self.snapshot.active.iter().map(|t| t.scrape_pool.clone()).collect();
        pools.sort();
        pools.dedup();
        pools
    }

    fn metadata(&self) -> Vec<TargetMetadata> {
        self.metadata.clone()
    }

    fn relabel_steps(&self, pool: &str, _: &Labels) -> Result<Vec<RelabelStep>, ScrapeError> {
        Err(ScrapeError::UnknownPool(pool.to_owned()))
    }
}

/// Sends requests without the API's store.
pub(crate) struct Sender(Router);

impl Sender {
    pub(crate) async fn send(self, request: Request<Body>) -> Answer {
        let response = self.0.oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// An API and the directory of its store.
pub(crate) struct App {
    pub(crate) api: Arc<Api>,
    pub(crate) router: Router,
    dir: tempfile::TempDir,
}

impl App {
    /// Over the series of the test data.
    pub(crate) fn new() -> App {
        App::with(|_| {})
    }

    /// The same, after `change` to its parts.
    pub(crate) fn with(change: impl FnOnce(&mut Parts)) -> App {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_600_000)));
        let options = StoreOptions { background: false, ..StoreOptions::default() };
        let (store, _) = Store::open(dir.path(), options, clock.clone()).expect("a store");
        let mut registry = Registry::default();
        let http_metrics = HttpMetrics::default();
        http_metrics.register(&mut registry);
        api::register_process_metrics(&mut registry);
        let source: Arc<dyn SeriesSource> = Arc::new(MemorySource::from_text(SERIES));
        let notifications = api::Notifications::new(clock.clone());
        let mut parts = Parts {
            source,
            engine: Arc::new(RwLock::new(Engine::new(EngineOptions::default()))),
            clock,
            targets: Arc::new(FixedTargets::default()),
            rules: Arc::new(api::NoRules),
            sink: store.clone(),
            store,
            registry,
            http_metrics,
            host_exporter: Arc::new(|| "node_load1 0.5\n".to_owned()),
            config: Arc::new(RwLock::new(ConfigSnapshot::default())),
            reload: Box::new(|| Box::pin(async { Ok(None) })),
            quit: None,
            flags: BTreeMap::from([("query.timeout".to_owned(), "2m".to_owned())]),
            doors: DoorPolicy::new(Vec::new(), ".*").expect("a pattern"),
            notifications,
            max_concurrent_queries: 4,
            slow_query: Duration::from_secs(10),
            query_log: api::QueryLog::new(),
            corruptions: 0,
            memory: api::MemoryLimits::default(),
            retention_ms: 86_400_000,
            shipper: Box::new(|| serde_json::Value::Null),
            logs: None,
            alerting: None,
            data_dir: dir.path().to_owned(),
        };
        change(&mut parts);
        let api = Api::new(parts);
        api.set_readiness(Readiness::Ready);
        let router = api::router(api.clone(), Door::Main);
        App { api, router, dir }
    }

    /// Directory of the data.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Over an empty store, which answers queries too.
    pub(crate) fn over_store() -> App {
        App::with(|parts| parts.source = parts.store.clone())
    }

    /// Series with their values at the time of the test's clock, as `{labels} value`, sorted.
    pub(crate) async fn instant(&self, selector: &str) -> Vec<String> {
        let query: String = form_urlencoded::byte_serialize(selector.as_bytes()).collect();
        let answer = self.get(&format!("/api/v1/query?query={query}")).await.json();
        let series = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let mut lines: Vec<String> = series
            .iter()
            .map(|s| {
                let labels =
                    Labels::from_pairs(s["metric"].as_object().unwrap().iter().map(|(n, v)| (n, v.as_str().unwrap())));
                format!("{labels} {}", s["value"][1].as_str().unwrap_or("histogram"))
            })
            .collect();
        lines.sort();
        lines
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        self.sender().send(request).await
    }

    /// What sends on its own.
    pub(crate) fn sender(&self) -> Sender {
        Sender(self.router.clone())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path).body(Body::empty()).expect("a request")).await
    }
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost:3000")
}
