//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::NameValidation;
use model::{
    AppendFuture, LabelRequest, Labels, ManualClock, Sample, SampleSink, SampleValue, SelectRequest, SeriesSet,
    SeriesSource, SourceError, Timestamp, WriteBatch,
};
use parking_lot::{Mutex, RwLock};
use promql::engine::{Engine, QueryContext, Value, VectorSample};
use promql::testing::MemorySource;
use rules::{Environment, Group, GroupSettings, Notification, Notify, Queries};

/// The folder with cases of others, if it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("AFFERENT_SHARED").map_or(default, PathBuf::from);
    root.is_dir().then_some(root)
}

/// promtool of the peers, if it is there.
pub(crate) fn promtool() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))?;
    let path = cache.join("afferent/peers/usr/bin/promtool");
    path.is_file().then_some(path)
}

pub(crate) fn cases(kind: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(kind);
    yaml_files(&directory, &[extension])
}

/// Files of a directory with one of some extensions, sorted.
pub(crate) fn yaml_files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let wanted = |path: &PathBuf| path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x));
    let mut files: Vec<PathBuf> = files.filter(wanted).collect();
    files.sort();
    files
}

/// A store that keeps everything, and the notifications sent.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) source: RwLock<MemorySource>,
    pub(crate) told: Mutex<Vec<Notification>>,
}

impl World {
    pub(crate) fn put(&self, series: &str, at_s: i64, value: f64) {
        let labels = promql::parser::parse_metric(series).unwrap();
        self.source.write().append(&labels, [Sample::float(Timestamp(at_s * 1000), value)]).unwrap();
    }

    /// The answer of a query as sorted lines.
    pub(crate) fn ask(&self, expr: &str, at_s: i64) -> Vec<String> {
        let samples = self.vector(expr, Timestamp(at_s * 1000)).unwrap();
        let line = |s: VectorSample| match s.value {
            SampleValue::Float(v) => format!("{} {v}", s.labels),
            SampleValue::Histogram(h) => format!("{} count {}", s.labels, h.count),
        };
        let mut lines: Vec<String> = samples.into_iter().map(line).collect();
        lines.sort();
        lines
    }
}

impl Queries for World {
    fn vector(&self, expr: &str, at: Timestamp) -> Result<Vec<VectorSample>, String> {
        let result = Engine::default().instant(&*self.source.read(), &QueryContext::default(), expr, at);
        match result.map_err(|e| e.to_string())?.value {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(timestamp, v) => {
                Ok(vec![VectorSample { labels: Labels::empty(), timestamp, value: SampleValue::Float(v) }])
            }
            other => Err(other.kind().to_owned()),
        }
    }
}

impl SampleSink for World {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        Box::pin(std::future::ready(Ok(self.source.write().write(batch))))
    }
}

impl SeriesSource for World {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        self.source.read().select(request)
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        self.source.read().label_names(request)
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        self.source.read().label_values(name, request)
    }

    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        self.source.read().series(request)
    }
}

impl Notify for World {
    fn notify(&self, alerts: Vec<Notification>) {
        self.told.lock().extend(alerts);
    }
}

/// What groups run in, over a world.
pub(crate) fn environment(world: &Arc<World>) -> Environment {
    Environment {
        queries: world.clone(),
        states: world.clone(),
        sink: world.clone(),
        notifier: world.clone(),
        clock: Arc::new(ManualClock::default()),
        external_labels: vec![("region".to_owned(), "eu".to_owned())],
        external_url: "http://here".to_owned(),
        resend_delay_ms: 60_000,
        outage_tolerance_ms: 3_600_000,
        for_grace_period_ms: 600_000,
        metrics: Arc::default(),
    }
}

/// The first group of a rule file's text.
pub(crate) fn group(text: &str, restored: bool) -> Group {
    let loaded =
        rules::check_rules(text, Path::new("r.yml"), NameValidation::default(), rules::Language::Promql).unwrap();
    let settings = GroupSettings::of_file(&loaded.config, rules::Language::Promql, 60_000, 0);
    Group::new(settings.into_iter().next().unwrap(), restored)
}
