//! Queries that are at work: who asks what, how far it has come, and how it is ended before its time.
//!
//! A query enters the list before it waits for its place and leaves it when its threads have really ended, which may be
//! after its client got an answer or went away.

mod client;
mod log;
mod metrics;
mod quantiles;
mod view;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::{Clock, Tenant, Timestamp};
use parking_lot::Mutex;
use promql::engine::{CancelFlag, Progress, QueryResult};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use client::{Client, ClientAddress};
pub use log::QueryLog;
pub(crate) use metrics::QueryMetrics;
pub(crate) use view::{all, kill, one};

use crate::errors::{ApiError, ErrorKind};
use crate::gate::Gate;

/// How long after its time a query may notice that it is up, before its client gets the answer without it.
const NOTICE: Duration = Duration::from_secs(1);
/// Bytes of a query that the list and the log show.
const MAX_SHOWN: usize = 16 << 10;

/// When a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Instant(Timestamp),
    Range { start: Timestamp, end: Timestamp, step_ms: i64 },
}

/// What somebody asks.
pub(crate) struct Asked {
    /// `instant`, `range` and so on.
    pub(crate) kind: &'static str,
    pub(crate) query: String,
    pub(crate) tenant: Tenant,
    pub(crate) times: Times,
    /// How long it may take, waiting included.
    pub(crate) timeout: Duration,
    pub(crate) client: Client,
}

/// The list, and what is counted of the queries that were on it.
pub(crate) struct ActiveQueries {
    /// What tells the numbers of this process from those of earlier ones.
    prefix: String,
    next: AtomicU64,
    entries: Mutex<BTreeMap<u64, Arc<Entry>>>,
    metrics: QueryMetrics,
    clock: Arc<dyn Clock>,
    /// Queries that take longer are logged.
    slow: Duration,
    /// Takes a line for every query, where the configuration wants that.
    log: Arc<QueryLog>,
}

/// A query on the list.
pub(crate) struct Entry {
    number: u64,
    id: String,
    asked: Asked,
    started: Timestamp,
    since: Instant,
    /// Time in the queue, once that is over.
    queued: OnceLock<Duration>,
    cancel: CancelFlag,
    killed: CancellationToken,
    progress: Progress,
    /// How far a query of logs has come.
    log_progress: OnceLock<logql::Progress>,
    outcome: OnceLock<&'static str>,
}

/// Keeps a query on the list; clones keep the same one.
pub(crate) struct OnList {
    list: Arc<ActiveQueries>,
    entry: Arc<Entry>,
}

/// What work needs to know of the query that it answers.
pub(crate) struct Turn {
    on_list: Arc<OnList>,
    /// Time in the queue.
    pub(crate) waited: Duration,
    pub(crate) cancel: CancelFlag,
    pub(crate) progress: Progress,
}

impl Turn {
    /// Shows on the list how far a query of logs has come.
    pub(crate) fn follow(&self, progress: logql::Progress) {
        // A query has one turn.
        let _ = self.on_list.entry.log_progress.set(progress);
    }
}

impl ActiveQueries {
    pub(crate) fn new(clock: Arc<dyn Clock>, metrics: QueryMetrics, slow: Duration, log: Arc<QueryLog>) -> Arc<Self> {
        Arc::new(ActiveQueries {
            prefix: format!("{:x}", clock.now().ms() / 1000),
            next: AtomicU64::new(1),
            entries: Mutex::default(),
            metrics,
            clock,
            slow,
            log,
        })
    }

    fn enter(self: &Arc<Self>, asked: Asked) -> Arc<OnList> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let entry = Arc::new(Entry {
            number,
            id: format!("{}-{number}", self.prefix),
            asked,
            started: self.clock.now(),
            since: Instant::now(),
            queued: OnceLock::new(),
            cancel: CancelFlag::default(),
            killed: CancellationToken::new(),
            progress: Progress::default(),
            log_progress: OnceLock::new(),
            outcome: OnceLock::new(),
        });
        self.entries.lock().insert(number, entry.clone());
        self.metrics.queries.inc();
        Arc::new(OnList { list: self.clone(), entry })
    }

    /// Runs `work` on a thread that may block, once `gate` admits it. Ends early, with the reason, where the query is killed or
    /// its time is up; the flag then tells `work` to end as well, as it does where the caller goes away.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        gate: &Gate,
        asked: Asked,
        work: impl FnOnce(&Turn) -> T + Send + 'static,
    ) -> Result<(T, Duration), ApiError> {
        let timeout = asked.timeout;
        let on_list = self.enter(asked);
        let entry = on_list.entry.clone();
        let ended = async {
            let admission = gate.admit(timeout).await.inspect_err(|e| self.metrics.count_refusal(e.kind))?;
            let waited = admission.waited;
            let _ = entry.queued.set(waited);
            let turn = Turn { on_list, waited, cancel: entry.cancel.clone(), progress: entry.progress.clone() };
            let working = admission.run(entry.cancel.clone(), move || work(&turn));
            match tokio::time::timeout(timeout.saturating_sub(waited) + NOTICE, working).await {
                Ok(answer) => Ok((answer?, waited)),
                Err(_) => Err(ApiError::new(ErrorKind::Timeout, "query timed out in query execution")),
            }
        };
        tokio::select! {
            biased;
            () = entry.killed.cancelled() => Err(entry.killed_error()),
            answer = ended => if entry.killed.is_cancelled() { Err(entry.killed_error()) } else { answer },
        }
    }

    /// The query with this id, if it is on the list and `tenant` may see it.
    fn find(&self, id: &str, tenant: Option<&Tenant>) -> Option<Arc<Entry>> {
        let number = id.strip_prefix(&self.prefix)?.strip_prefix('-')?.parse().ok()?;
        self.entries.lock().get(&number).filter(|entry| tenant.is_none_or(|t| *t == entry.asked.tenant)).cloned()
    }

    fn log_if_slow(&self, entry: &Entry) {
        let elapsed = entry.since.elapsed();
        if elapsed < self.slow {
            return;
        }
        self.metrics.slow.inc();
        let (start, end, step_ms) = match entry.asked.times {
            Times::Instant(at) => (at, at, 0),
            Times::Range { start, end, step_ms } => (start, end, step_ms),
        };
        warn!(
            id = entry.id,
            query = shown(&entry.asked.query),
            kind = entry.asked.kind,
            tenant = entry.asked.tenant.as_str(),
            start_ms = start.ms(),
            end_ms = end.ms(),
            step_ms,
            elapsed_s = elapsed.as_secs_f64(),
            queued_s = entry.queued().as_secs_f64(),
            series = entry.progress.series(),
            samples = entry.progress.samples(),
            peak_memory_bytes = entry.progress.peak_memory_bytes(),
            outcome = entry.outcome.get().copied().unwrap_or("no answer"),
            client = entry.asked.client.address.map(|a| a.to_string()),
            "slow query"
        );
    }
}

impl Entry {
    /// Time spent in the queue, which goes on while it waits.
    fn queued(&self) -> Duration {
        self.queued.get().copied().unwrap_or_else(|| self.since.elapsed())
    }

    fn state(&self) -> &'static str {
        match self.queued.get() {
            _ if self.cancel.is_canceled() => "ending",
            Some(_) => "running",
            None => "queued",
        }
    }

    fn kill(&self) {
        self.cancel.cancel();
        self.killed.cancel();
    }

    fn killed_error(&self) -> ApiError {
        ApiError::new(ErrorKind::Canceled, format!("query {} was ended by an operator", self.id))
    }
}

impl Drop for OnList {
    fn drop(&mut self) {
        self.list.entries.lock().remove(&self.entry.number);
        self.list.metrics.queries.dec();
        if self.entry.killed.is_cancelled() {
            self.list.metrics.killed.inc();
        }
        self.list.log_if_slow(&self.entry);
    }
}

impl Turn {
    /// Counts what came of the query.
    pub(crate) fn ended<E: Display>(&self, result: &Result<QueryResult, E>) {
        let outcome = if result.is_ok() { "success" } else { "error" };
        let _ = self.on_list.entry.outcome.set(outcome);
        let metrics = &self.on_list.list.metrics;
        metrics.count_samples_read(self.progress.samples());
        if let Ok(result) = result {
            metrics.observe(&result.stats, self.waited);
        }
        let list = &self.on_list.list;
        let (stats, error) = (result.as_ref().ok().map(|r| &r.stats), result.as_ref().err().map(E::to_string));
        list.log.write(&self.on_list.entry, list.clock.now(), stats, error);
    }

    /// Counts what came of a query in another language; `error` says why it failed.
    pub(crate) fn ended_with(&self, error: Option<String>) {
        let outcome = if error.is_none() { "success" } else { "error" };
        let _ = self.on_list.entry.outcome.set(outcome);
        let list = &self.on_list.list;
        list.log.write(&self.on_list.entry, list.clock.now(), None, error);
    }
}

/// The beginning of a text that may be long.
fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_SHOWN)]
}
