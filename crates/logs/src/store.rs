//! The front door: opens a data directory and serves as sink and source.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use blocks::disk::{Disk, RealDisk};
use blocks::wal::{Commit, Wal, WalCounters};
use model::{
    AppendError, Clock, LabelRequest, Labels, LogBatch, LogFuture, LogReport, LogRequest, LogSink, LogSource, Matcher,
    SourceError, StreamSet, Tenant, TimeRange,
};
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::compact::{self, Compactor};
use crate::flush::{self, Places};
use crate::head::{Head, Refused, Shared};
use crate::recover::{Recovered, recover};
use crate::select::{self, Heads, Reader};
use crate::shelf::{Filters, Shelf};
use crate::stats::{Counters, StoreCollector, add, get};
use crate::upkeep::{Signal, Worker};
use crate::{LogLimitTable, RecoveryReport, StoreError, StoreOptions};

/// How often the store looks whether something is due.
const TICK: Duration = Duration::from_secs(5);
/// A flush that failed is not tried again sooner.
const PAUSE: Duration = Duration::from_secs(5);

/// A batch waits for so many flushes at most.
const FLUSHES_AWAITED: usize = 3;

/// What only one flush at a time touches.
#[derive(Debug)]
struct Maintenance {
    last_flush: Instant,
    last_failed: bool,
}

/// A log store in one directory, for any number of tenants.
pub struct Store {
    me: Weak<Store>,
    dir: PathBuf,
    options: StoreOptions,
    clock: Arc<dyn Clock>,
    heads: Heads,
    shared: Arc<Shared>,
    shelf: Arc<Shelf>,
    filters: Arc<Filters>,
    compactor: Arc<Compactor>,
    wal: Wal,
    maintenance: Mutex<Maintenance>,
    counters: Counters,
    limits: RwLock<LogLimitTable>,
    replay_time: Duration,
    is_closed: AtomicBool,
    /// Flushes that have come to an end, and whether the last one failed.
    flushed: watch::Sender<(u64, bool)>,
    signal: Signal,
    compact_signal: Signal,
    workers: Mutex<Vec<Worker>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the store in `dir`. Damaged files are set aside and reported, never a reason to fail.
    pub fn open(
        dir: &Path,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Store>, RecoveryReport), StoreError> {
        Store::open_on(Arc::new(RealDisk), dir, options, clock)
    }

    /// Like [`Store::open`], on any disk.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Store>, RecoveryReport), StoreError> {
        let Recovered { heads, shared, shelf, wal, report } = recover(disk, dir, &options, clock.now())?;
        let filters = Arc::new(Filters::new(options.compile_filter.clone()));
        let counters = Counters::default();
        add(&counters.corruptions, report.damaged_records + report.quarantined_files.len() as u64);
        let compactor = Arc::new(Compactor::new(shelf.clone(), filters.clone(), clock.clone(), dir, &options));
        let store = Arc::new_cyclic(|me| Store {
            me: me.clone(),
            dir: dir.to_owned(),
            clock,
            heads: RwLock::new(heads),
            shared,
            shelf,
            filters,
            compactor,
            wal,
            maintenance: Mutex::new(Maintenance { last_flush: Instant::now(), last_failed: false }),
            counters,
            limits: RwLock::new(options.limits.clone()),
            replay_time: report.elapsed,
            is_closed: AtomicBool::new(false),
            flushed: watch::Sender::new((0, false)),
            signal: Signal::default(),
            compact_signal: Signal::default(),
            workers: Mutex::default(),
            options,
        });
        if store.options.background {
            store.start_workers()?;
        }
        tracing::info!(
            streams = report.streams,
            blocks = report.blocks,
            replayed_entries = report.replayed_entries,
            damaged_records = report.damaged_records,
            elapsed_ms = report.elapsed.as_millis() as u64,
            "log store opened"
        );
        Ok((store, report))
    }

    fn start_workers(&self) -> Result<(), StoreError> {
        let weak = self.me.clone();
        let upkeep = move || {
            let Some(store) = weak.upgrade() else { return false };
            if let Err(error) = store.maintain() {
                tracing::error!(%error, "upkeep of the log store failed and will be tried again");
            }
            true
        };
        let started = Worker::start("logs-upkeep", TICK, self.signal.clone(), upkeep)
            .and_then(|upkeep| Ok((upkeep, compact::start(self.compactor.clone(), self.compact_signal.clone())?)));
        let (upkeep, compaction) = started.map_err(|e| self.failure("start the upkeep of", e))?;
        self.workers.lock().extend([upkeep, compaction]);
        Ok(())
    }

    fn head(&self, tenant: &Tenant) -> Option<Arc<Mutex<Head>>> {
        self.heads.read().get(tenant).cloned()
    }

    fn head_or_new(&self, tenant: &Tenant) -> Arc<Mutex<Head>> {
        if let Some(head) = self.head(tenant) {
            return head;
        }
        let make = || Arc::new(Mutex::new(Head::new(self.shared.clone(), self.options.page_bytes)));
        self.heads.write().entry(tenant.clone()).or_insert_with(make).clone()
    }

    fn reader(&self, tenant: &Tenant) -> Reader {
        Reader { head: self.head(tenant), shelf: self.shelf.clone(), filters: self.filters.clone() }
    }

    pub(crate) fn head_bytes(&self) -> u64 {
        self.shared.memory.load(Ordering::Relaxed).max(0) as u64
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn heads(&self) -> &Heads {
        &self.heads
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn compactor(&self) -> &Compactor {
        &self.compactor
    }

    pub(crate) fn wal_counters(&self) -> &WalCounters {
        self.wal.counters()
    }

    pub(crate) fn replay_time(&self) -> Duration {
        self.replay_time
    }

    pub(crate) fn since_flush(&self) -> Duration {
        self.maintenance.try_lock().map(|maintenance| maintenance.last_flush.elapsed()).unwrap_or_default()
    }

    /// Changes what tenants may send, from now on.
    pub fn set_limits(&self, limits: LogLimitTable) {
        *self.limits.write() = limits;
    }

    /// Does what is due: flush where the head is large or old. Called by the store itself unless `options.background` is off; then
    /// it compacts as well, which has a thread of its own otherwise.
    pub fn maintain(&self) -> Result<(), StoreError> {
        let process_is_over = self.options.resident.as_ref().is_some_and(|resident| resident.is_over(0));
        if process_is_over {
            self.shelf.shared().clear();
        }
        let (since_flush, last_failed) = {
            let maintenance = self.maintenance.lock();
            (maintenance.last_flush.elapsed(), maintenance.last_failed)
        };
        let is_full = self.head_bytes() >= self.options.flush_head_bytes as u64;
        let may_hurry = !last_failed || since_flush >= PAUSE;
        let has_entries = self.shared.entries.load(Ordering::Relaxed) > 0;
        let is_old = since_flush >= self.options.flush_interval;
        if has_entries && (is_old || (may_hurry && (is_full || process_is_over))) {
            // Where memory is short, everything goes.
            let hold_back = if process_is_over { 0 } else { self.options.hold_back };
            self.flush_holding(&mut self.maintenance.lock(), hold_back)?;
        }
        if !self.options.background {
            self.compactor.run_all().map_err(|e| self.failure("compact the blocks of", e))?;
        }
        self.shelf.sweep();
        Ok(())
    }

    /// Writes everything in memory to blocks and empties the log. On failure everything stays where it is.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.flush_holding(&mut self.maintenance.lock(), 0)
    }

    fn flush_holding(&self, maintenance: &mut Maintenance, hold_back: i64) -> Result<(), StoreError> {
        maintenance.last_flush = Instant::now();
        let result = flush::flush(Places {
            heads: &self.heads,
            wal: &self.wal,
            shelf: &self.shelf,
            now: self.clock.now(),
            idle_ms: self.options.idle_stream_ms,
            page_bytes: self.options.page_bytes,
            hold_back,
        });
        maintenance.last_failed = result.is_err();
        self.flushed.send_modify(|(flushes, failed)| (*flushes, *failed) = (*flushes + 1, result.is_err()));
        match result {
            Ok(entries) => {
                add(&self.counters.flushes, 1);
                add(&self.counters.flushed_entries, entries);
                tracing::debug!(entries, "logs flushed");
                self.compact_signal.wake();
                Ok(())
            }
            Err(error) => {
                add(&self.counters.flush_failures, 1);
                Err(self.failure("flush the head to", error))
            }
        }
    }

    /// Deletes entries of the streams that match all matchers, in `range`; with `filter` only those that it means, by the words
    /// of [`StoreOptions::compile_filter`]. They are gone for readers when it answers; their space is freed by a later
    /// compaction. Entries that come in afterwards are not concerned.
    pub fn delete(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        range: TimeRange,
        filter: Option<&str>,
    ) -> Result<(), StoreError> {
        if let Some(text) = filter {
            self.filters.check(text).map_err(StoreError::Filter)?;
        }
        // No other flush in between: its block would be older than the tombstone, its entries younger.
        let mut maintenance = self.maintenance.lock();
        self.flush_holding(&mut maintenance, 0)?;
        let buried = self.shelf.bury(tenant, matchers, range, filter);
        self.compact_signal.wake();
        buried.map_err(|e| self.failure("note a deletion in", e))
    }

    /// Frees the space of everything that was deleted. Waits for a compaction under way.
    pub fn clean_tombstones(&self) -> Result<(), StoreError> {
        self.compactor.clean_tombstones().map_err(|e| self.failure("free deleted entries of", e))
    }

    /// Flushes, and merges blocks as if the newest windows were over.
    pub fn merge_now(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.compactor.merge_now().map_err(|e| self.failure("merge the blocks of", e))
    }

    /// Makes `dir`, which must not exist, the directory of a store with all that this one holds now. Files on this disk are
    /// shared, not copied.
    pub fn snapshot(&self, dir: &Path) -> Result<(), StoreError> {
        self.flush()?;
        blocks::shelf::snapshot(&self.shelf, dir).map_err(|source| {
            let path = dir.display().to_string();
            StoreError::Io { action: "make the snapshot", path, source }
        })
    }

    fn failure(&self, action: &'static str, source: std::io::Error) -> StoreError {
        StoreError::Io { action, path: self.dir.display().to_string(), source }
    }

    /// Takes no more entries, flushes and stops the threads of the store. Reading stays possible.
    pub fn close(&self) -> Result<(), StoreError> {
        if self.is_closed.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        self.compactor.stop();
        let workers = std::mem::take(&mut *self.workers.lock());
        drop(workers);
        let flushed = self.flush();
        self.wal.close();
        flushed
    }

    /// Adds the store's metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(StoreCollector(self.me.clone())));
    }

    /// True where batches come faster than they are flushed. Whoever sends waits then, so that memory stays what it is; where
    /// nothing can be flushed there is nothing to wait for.
    fn is_behind(&self) -> bool {
        self.options.background
            && self.head_bytes() > 2 * self.options.flush_head_bytes as u64
            && !self.is_closed.load(Ordering::Relaxed)
            && !self.flushed.borrow().1
    }

    async fn catch_up(&self) {
        let mut flushed = self.flushed.subscribe();
        if !self.is_behind() {
            return;
        }
        add(&self.counters.delayed, 1);
        for _ in 0..FLUSHES_AWAITED {
            self.signal.wake();
            if flushed.changed().await.is_err() || !self.is_behind() {
                break;
            }
        }
    }

    /// Takes a batch and queues its record.
    fn admit(&self, batch: &LogBatch) -> Result<(LogReport, Option<Commit>), AppendError> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(AppendError::Closed);
        }
        let resident = self.options.resident.as_ref();
        let is_over = self.options.memory_limit_bytes.is_some_and(|limit| self.head_bytes() > limit)
            || resident.is_some_and(|resident| resident.is_over(2 * batch.text_bytes()));
        if is_over {
            self.signal.wake();
            add(&self.counters.over_memory, batch.len() as u64);
            return Err(AppendError::OverBudget { retry_after_s: TICK.as_secs() as u32 });
        }
        let limits = self.limits.read().of(&batch.tenant);
        let head = self.head_or_new(&batch.tenant);
        let result = head.lock().append(batch, &limits, self.clock.now().ms(), &self.wal);
        if self.head_bytes() >= self.options.flush_head_bytes as u64 {
            self.signal.wake();
        }
        match result {
            Ok((report, commit)) => {
                report.rejected.iter().for_each(|rejection| self.counters.reject(rejection.reason));
                Ok((report, commit))
            }
            Err(Refused::Full) => {
                add(&self.counters.log_is_full, batch.len() as u64);
                Err(AppendError::OverBudget { retry_after_s: 1 })
            }
            Err(Refused::Closed) => Err(AppendError::Closed),
        }
    }

    /// Flushes that failed since the start.
    pub fn flush_failures(&self) -> u64 {
        get(&self.counters.flush_failures)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.compactor.stop();
        self.signal.stop();
        self.compact_signal.stop();
    }
}

/// The report of a batch once its record is durable.
async fn durable(admitted: Result<(LogReport, Option<Commit>), AppendError>) -> Result<LogReport, AppendError> {
    let (report, commit) = admitted?;
    if let Some(commit) = commit {
        commit.wait().await.map_err(|reason| AppendError::Log(reason.to_string()))?;
    }
    Ok(report)
}

impl LogSink for Store {
    fn append(&self, batch: LogBatch) -> LogFuture {
        if self.is_behind()
            && let Some(store) = self.me.upgrade()
        {
            return Box::pin(async move {
                store.catch_up().await;
                let admitted = store.admit(&batch);
                drop((store, batch));
                durable(admitted).await
            });
        }
        let admitted = self.admit(&batch);
        drop(batch);
        Box::pin(durable(admitted))
    }
}

impl LogSource for Store {
    fn select(&self, request: &LogRequest<'_>) -> Result<Box<dyn StreamSet>, SourceError> {
        select::select(self.reader(request.tenant), request)
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        select::label_names(&self.reader(request.tenant), request)
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        select::label_values(&self.reader(request.tenant), name, request)
    }

    fn streams(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        select::streams(&self.reader(request.tenant), request)
    }
}
