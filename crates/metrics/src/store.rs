//! The front door: opens a data directory and serves as sink and source.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use blocks::disk::{Disk, RealDisk};
use blocks::plan::PlanOptions;
use blocks::wal::{Wal, WalCounters};
use model::{Clock, Matcher, Tenant, TimeRange, Timestamp};
use parking_lot::{Condvar, Mutex, RwLock};
use prometheus_client::registry::Registry;

use crate::compact::{CompactOptions, Compactor, Rules, Worker};
use crate::flush::{self, Flusher, Places};
use crate::head::{Head, Idle, Shared, Stored};
use crate::headlog::FILE as HEAD_LOG;
use crate::losses::QUARANTINE;
use crate::pace::{Counted, Moments};
use crate::recover::{Recovered, recover};
use crate::shelf::Shelf;
use crate::stats::{Counters, Heads, StoreCollector, add, get};
use crate::{LimitTable, RecoveryReport, StoreError, StoreOptions, losses};

mod adding;
mod admission;
mod numbers;
mod reading;

/// How often the store looks whether something is due.
const TICK: Duration = Duration::from_secs(5);

/// What maintenance alone touches.
#[derive(Debug)]
struct Maintenance {
    flusher: Flusher,
    last_flush: Instant,
}

/// Tells the background thread to look now, or to stop.
#[derive(Debug, Default)]
struct Signal {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

/// A metric store in one directory, for any number of tenants.
#[derive(Debug)]
pub struct Store {
    me: Weak<Store>,
    dir: PathBuf,
    options: StoreOptions,
    clock: Arc<dyn Clock>,
    heads: Heads,
    shared: Arc<Shared>,
    shelf: Arc<Shelf>,
    compactor: Arc<Compactor>,
    worker: Mutex<Option<Worker>>,
    wal: Wal,
    /// When the store was opened, by its clock.
    opened: Timestamp,
    maintenance: Mutex<Maintenance>,
    counters: Counters,
    limits: RwLock<LimitTable>,
    moments: Moments,
    flush_is_pending: AtomicBool,
    replay_time: Duration,
    is_closed: AtomicBool,
    signal: Arc<Signal>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
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
        let Recovered { heads, shared, shelf, headlog, wal, damage, report } = recover(disk, dir, &options)?;
        losses::note(&shelf, dir, &heads, damage, &*clock);
        let counters = Counters::default();
        add(&counters.corruptions, report.corruptions());
        let rules = Rules::new(options.retention_rules.clone(), options.retention_ms);
        let compactor = Arc::new(Compactor::new(shelf.clone(), clock.clone(), compact_options(dir, &options, rules)));
        let store = Arc::new_cyclic(|me| Store {
            me: me.clone(),
            dir: dir.to_owned(),
            opened: clock.now(),
            clock,
            heads: RwLock::new(heads),
            shared,
            shelf,
            compactor,
            worker: Mutex::default(),
            wal,
            maintenance: Mutex::new(Maintenance { flusher: Flusher::new(headlog), last_flush: Instant::now() }),
            counters,
            limits: RwLock::new(options.limits.clone()),
            moments: Moments::default(),
            flush_is_pending: AtomicBool::new(false),
            replay_time: report.elapsed,
            is_closed: AtomicBool::new(false),
            signal: Arc::default(),
            thread: Mutex::new(None),
            options,
        });
        store.moments.note(store.opened, Counted::default());
        if store.options.background {
            let (weak, signal) = (Arc::downgrade(&store), store.signal.clone());
            let spawned =
                std::thread::Builder::new().name("metrics-upkeep".into()).spawn(move || upkeep(&weak, &signal));
            let fail = |source| StoreError::Io { action: "start upkeep of", path: dir.display().to_string(), source };
            *store.thread.lock() = Some(spawned.map_err(fail)?);
            *store.worker.lock() = Some(Worker::start(store.compactor.clone()).map_err(fail)?);
        }
        tracing::info!(
            series = report.series,
            blocks = report.blocks,
            replayed_samples = report.replayed_samples,
            damaged_records = report.damaged_records,
            elapsed_ms = report.elapsed.as_millis() as u64,
            "metric store opened"
        );
        Ok((store, report))
    }

    fn head(&self, tenant: &Tenant) -> Option<Arc<Head>> {
        self.heads.read().get(tenant).cloned()
    }

    fn head_or_new(&self, tenant: &Tenant) -> Arc<Head> {
        if let Some(head) = self.head(tenant) {
            return head;
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let shards = self.options.shards.unwrap_or(2 * cores).clamp(1, 256);
        let make = || {
            let head = Head::new(tenant.clone(), shards, self.shared.clone());
            head.churn.lock().turn(self.clock.now().ms());
            Arc::new(head)
        };
        self.heads.write().entry(tenant.clone()).or_insert_with(make).clone()
    }

    fn all_heads(&self) -> Vec<Arc<Head>> {
        self.heads.read().values().cloned().collect()
    }

    fn memory(&self) -> u64 {
        self.shared.memory.load(Ordering::Relaxed).max(0) as u64
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

    fn cutoff(&self) -> i64 {
        self.clock.now().plus_ms(self.compactor.longest_ms().saturating_neg()).ms()
    }

    /// Does what is due: flush, and the end of a flush that waited for readers. Called by the store itself unless
    /// `options.background` is off; then it compacts as well, which has a thread of its own otherwise.
    pub fn maintain(&self) -> Result<(), StoreError> {
        let is_full = self.options.memory_limit_bytes.is_some_and(|limit| self.memory() > limit / 8 * 7);
        let log_is_long = get(&self.wal.counters().disk_bytes) >= self.options.flush_wal_bytes;
        self.moments.note(self.clock.now(), self.counted());
        self.all_heads().iter().for_each(|head| head.churn.lock().turn(self.clock.now().ms()));
        let process_is_over = self.options.resident.as_ref().is_some_and(|resident| resident.is_over(0));
        if process_is_over {
            self.shelf.shared().clear();
        }
        self.finish_flush();
        let (since_flush, is_pending) = {
            let maintenance = self.maintenance.lock();
            (maintenance.last_flush.elapsed(), maintenance.flusher.is_pending())
        };
        // A failing disk is not tried more often than this; and where memory waits for readers, another flush frees none.
        let may_hurry = since_flush >= TICK && !is_pending;
        if since_flush >= self.options.flush_interval || (may_hurry && (log_is_long || is_full || process_is_over)) {
            self.flush()?;
        }
        if !self.options.background {
            self.compactor.run_all().map_err(|e| self.failure("compact the blocks of", e))?;
        }
        self.shelf.sweep();
        Ok(())
    }

    /// Ends a flush whose samples waited for readers to go.
    fn finish_flush(&self) {
        let mut maintenance = self.maintenance.lock();
        let heads = self.all_heads();
        let evicted = maintenance.flusher.finish(self.places(&heads));
        add(&self.counters.series_removed, evicted);
        self.flush_is_pending.store(maintenance.flusher.is_pending(), Ordering::Relaxed);
    }

    fn places<'s>(&'s self, heads: &'s [Arc<Head>]) -> Places<'s> {
        let now = self.clock.now();
        let seconds = |ms: i64| u32::try_from(ms.max(0) / 1000).unwrap_or(u32::MAX);
        let idle = Idle {
            now: seconds(now.ms().saturating_sub(self.opened.ms())),
            after: seconds(self.options.idle_series_ms),
        };
        Places { heads, wal: &self.wal, shelf: &self.shelf, epochs: &self.shared.epochs, now, idle }
    }

    /// Writes everything in memory to blocks and empties the log. On failure everything stays where it is. Readers that have
    /// begun before keep samples in memory until they are done; the flush does not wait for them.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.flush_holding(&mut self.maintenance.lock())
    }

    fn flush_holding(&self, maintenance: &mut Maintenance) -> Result<(), StoreError> {
        maintenance.last_flush = Instant::now();
        let rolled = self.wal.roll().map_err(std::io::Error::other);
        let result = rolled.and_then(|wal_from| maintenance.flusher.flush(self.places(&self.all_heads()), wal_from));
        self.flush_is_pending.store(maintenance.flusher.is_pending(), Ordering::Relaxed);
        match result {
            Ok(flushed) => {
                add(&self.counters.flushes, 1);
                add(&self.counters.flushed_samples, flushed.samples);
                add(&self.counters.series_removed, flushed.evicted);
                tracing::debug!(samples = flushed.samples, evicted = flushed.evicted, "head flushed");
                Ok(())
            }
            Err(error) => {
                add(&self.counters.flush_failures, 1);
                Err(self.failure("flush the head to", error))
            }
        }
    }

    /// Deletes samples of the series that match all matchers, in `range`. They are gone for readers when it answers; their
    /// space is freed by a later compaction. Samples of these series that come in afterwards are not concerned.
    pub fn delete(&self, tenant: &Tenant, matchers: &[Matcher], range: TimeRange) -> Result<(), StoreError> {
        // No other flush in between: its block would be older than the tombstone, its samples younger.
        let mut maintenance = self.maintenance.lock();
        self.flush_holding(&mut maintenance)?;
        if let Some(head) = self.head(tenant) {
            let slots = head.index.read().matching(matchers);
            let is_gone = |e: &Stored| slots.contains(e.slot) && range.contains(Timestamp(e.time));
            head.exemplars.lock().forget(is_gone);
            head.forget_newest(&slots, range);
        }
        let buried = self.shelf.bury(tenant, matchers, range, None);
        if let Some(worker) = &*self.worker.lock() {
            worker.wake();
        }
        buried.map_err(|e| self.failure("note a deletion in", e))
    }

    /// Frees the space of everything that was deleted. Waits for a compaction under way.
    pub fn clean_tombstones(&self) -> Result<(), StoreError> {
        self.compactor.clean_tombstones().map_err(|e| self.failure("free deleted samples of", e))
    }

    /// Flushes, and brings all blocks into the form in which they will be read once their time is over.
    pub fn merge_now(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.compactor.merge_now().map_err(|e| self.failure("merge the blocks of", e))
    }

    /// Makes `dir`, which must not exist, the directory of a store with all that this one holds now; with `skip_head` only
    /// what has been flushed. Files on this disk are shared, not copied.
    pub fn snapshot(&self, dir: &Path, skip_head: bool) -> Result<(), StoreError> {
        let mut beside = Vec::new();
        if !skip_head {
            self.flush()?;
            beside = flush::beside_blocks(&self.all_heads());
        }
        let disk = self.shelf.disk();
        let put_beside = || disk.create_dir_all(dir).and_then(|()| disk.replace(&dir.join(HEAD_LOG), &beside));
        let placed = if beside.is_empty() { Ok(()) } else { put_beside() };
        placed.and_then(|()| blocks::shelf::snapshot(&self.shelf, dir)).map_err(|source| {
            let path = dir.display().to_string();
            StoreError::Io { action: "make the snapshot", path, source }
        })
    }

    pub(crate) fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn failure(&self, action: &'static str, source: std::io::Error) -> StoreError {
        StoreError::Io { action, path: self.dir.display().to_string(), source }
    }

    /// Takes no more samples, flushes and stops the threads of the store. Reading stays possible.
    pub fn close(&self) -> Result<(), StoreError> {
        if self.is_closed.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        self.signal.stop();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the upkeep of the metric store panicked");
        }
        if let Some(mut worker) = self.worker.lock().take() {
            worker.stop();
        }
        let flushed = self.flush();
        self.wal.close();
        flushed
    }

    /// Adds the store's metrics, under Prometheus' own names where it has one.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(StoreCollector(self.me.clone())));
    }
}

fn compact_options(dir: &Path, options: &StoreOptions, rules: Rules) -> CompactOptions {
    let plan = PlanOptions::default();
    // What is still to come out of order must not find its window closed, nor what waits for a flush.
    let until_flushed = options.flush_interval.as_millis() as i64 * 2;
    let close_after_ms = plan.close_after_ms.max(options.out_of_order_window_ms.saturating_add(until_flushed));
    CompactOptions {
        plan: PlanOptions { close_after_ms, ..plan },
        rules,
        max_bytes: options.max_block_bytes,
        quarantine: dir.join(QUARANTINE),
    }
}

impl Signal {
    fn wake(&self) {
        self.state.lock().0 = true;
        self.changed.notify_one();
    }

    fn stop(&self) {
        self.state.lock().1 = true;
        self.changed.notify_one();
    }

    /// Waits for the next tick or a call; answers false where it is time to stop.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        if !state.0 && !state.1 {
            self.changed.wait_for(&mut state, TICK);
        }
        state.0 = false;
        !state.1
    }
}

fn upkeep(store: &Weak<Store>, signal: &Signal) {
    while signal.wait() {
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = store.maintain() {
            tracing::error!(%error, "upkeep of the metric store failed and will be tried again");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.signal.stop();
    }
}
