//! What happens to blocks after the flush: they are merged into wider windows, freed of what was deleted, and dropped.
//!
//! One thread does one job at a time, beside the thread that flushes. What is to be done next follows from the catalogue alone,
//! so a job that was cut short by a crash or a full disk is simply found again.

mod job;
mod rules;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use blocks::catalogue::BlockEntry;
use blocks::patience::Patience;
use blocks::plan::{PlanOptions, Retention, expired, next_job};
use blocks::shelf::OpenBlock;
use model::{Clock, Timestamp};
use parking_lot::Mutex;

use crate::StoreOptions;
use crate::block::Block;
use crate::head::matches;
use crate::shelf::{Filters, Shelf, View, is_damage, range_of};
use crate::upkeep::{Signal, Worker};
use rules::Rules;

/// How often the worker looks whether something is due.
const TICK: Duration = Duration::from_secs(10);
/// The pause after a first failure; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// Keeps the blocks of one store in order.
#[derive(Debug)]
pub(crate) struct Compactor {
    shelf: Arc<Shelf>,
    filters: Arc<Filters>,
    clock: Arc<dyn Clock>,
    plan: PlanOptions,
    rules: Rules,
    max_bytes: Option<u64>,
    page_bytes: usize,
    quarantine: PathBuf,
    /// Held while a job runs.
    busy: Mutex<()>,
    /// Raised when the store closes: a job under way gives up.
    closing: AtomicBool,
    /// Jobs done.
    pub(crate) jobs: AtomicU64,
    /// Jobs that failed and will be tried again.
    pub(crate) failures: AtomicU64,
    /// Blocks dropped by retention.
    pub(crate) expired: AtomicU64,
}

impl Compactor {
    pub(crate) fn new(
        shelf: Arc<Shelf>,
        filters: Arc<Filters>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: &StoreOptions,
    ) -> Self {
        let plan = PlanOptions::default();
        // What is still to come out of order must not find its window closed, nor what waits for a flush.
        let until_flushed = options.flush_interval.as_millis() as i64 * 2;
        let window = options.limits.default.out_of_order_window.unwrap_or(0) / 1_000_000;
        let close_after_ms = plan.close_after_ms.max(window.saturating_add(until_flushed));
        Compactor {
            shelf,
            filters,
            clock,
            plan: PlanOptions { close_after_ms, ..plan },
            rules: Rules::new(options.retention_rules.clone(), options.retention_ms),
            max_bytes: options.max_block_bytes,
            page_bytes: options.page_bytes,
            quarantine: dir.join("quarantine"),
            busy: Mutex::default(),
            closing: AtomicBool::new(false),
            jobs: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            expired: AtomicU64::new(0),
        }
    }

    /// Asks a job under way to give up; none is begun any more.
    pub(crate) fn stop(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Does everything that is due; answers how many jobs that took.
    pub(crate) fn run_all(&self) -> io::Result<u64> {
        let mut jobs = 0;
        while !self.closing.load(Ordering::Relaxed) && self.run_one()? {
            jobs += 1;
        }
        Ok(jobs)
    }

    /// Does what is due first; `false` where nothing is.
    fn run_one(&self) -> io::Result<bool> {
        let _busy = self.busy.lock();
        let now = self.clock.now();
        self.drop_expired(now)?;
        let view = self.shelf.view();
        let entries = readable(&view);
        let job = match next_job(&entries, now, &self.plan) {
            Some(job) => Some(job),
            None => match self.next_grave(&view)? {
                Some(entry) => Some(job::rewrite(&entry)),
                None => self.next_due(&view, &entries, now)?.map(|entry| job::rewrite(&entry)),
            },
        };
        drop(view);
        match job {
            Some(job) => self.run(&job, now).map(|()| true),
            None => Ok(false),
        }
    }

    /// Merges what can be merged now, as if the newest windows were over; they grow by another merge when they are.
    pub(crate) fn merge_now(&self) -> io::Result<()> {
        let _busy = self.busy.lock();
        let windows_ms = vec![self.plan.windows_ms[0]];
        let plan = PlanOptions { windows_ms, ..self.plan.clone() };
        let now = self.clock.now();
        let later = now.plus_ms(2 * plan.windows_ms[0]).plus_ms(plan.close_after_ms);
        while let Some(job) = next_job(&readable(&self.shelf.view()), later, &plan) {
            self.run(&job, now)?;
        }
        self.shelf.sweep();
        Ok(())
    }

    /// Writes every block again that holds deleted entries, so that they take no space any more.
    pub(crate) fn clean_tombstones(&self) -> io::Result<()> {
        let _busy = self.busy.lock();
        while let Some(entry) = self.next_grave(&self.shelf.view())? {
            self.run(&job::rewrite(&entry), self.clock.now())?;
        }
        Ok(())
    }

    fn run(&self, job: &blocks::plan::Job, now: Timestamp) -> io::Result<()> {
        let bench = job::Bench {
            shelf: &self.shelf,
            filters: &self.filters,
            rules: &self.rules,
            now,
            cancel: &self.closing,
            quarantine: &self.quarantine,
            page_bytes: self.page_bytes,
        };
        let done = job::run(&bench, job)?;
        self.jobs.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(tenant = job.tenant.as_str(), ?done, "log blocks compacted");
        Ok(())
    }

    /// Drops blocks that are too old or too many.
    fn drop_expired(&self, now: Timestamp) -> io::Result<()> {
        let retention = Retention { time_ms: self.rules.longest_ms(), bytes: self.max_bytes };
        let gone = expired(&self.shelf.view().manifest.blocks, now, &retention);
        if gone.is_empty() {
            return Ok(());
        }
        tracing::info!(blocks = gone.len(), "log blocks past their retention are dropped");
        self.shelf.commit(Vec::new(), &gone, |_| ())?;
        self.expired.fetch_add(gone.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// A block that holds entries which count as deleted. Deletions that no block holds entries of are forgotten.
    fn next_grave(&self, view: &View) -> io::Result<Option<BlockEntry>> {
        let mut undecided: Vec<u64> = Vec::new();
        for block in &view.blocks {
            for grave in view.graves_of(block) {
                if grave.tombstone.filter.as_ref().is_some_and(|text| self.filters.get(text).is_none()) {
                    undecided.push(grave.tombstone.id);
                    continue;
                }
                let index = match block.index() {
                    Ok(index) => index,
                    Err(error) if is_damage(&error) => continue,
                    Err(error) => return Err(error),
                };
                let is_meant = |row: &crate::block::Row| {
                    grave.tombstone.range.overlaps(&range_of(&row.info))
                        && matches(&index.streams[row.stream as usize], &grave.matchers)
                };
                if index.rows.iter().any(is_meant) {
                    return Ok(Some(block.entry().clone()));
                }
            }
        }
        // A block that cannot be opened now may come back, and then its deletions must still be known.
        let absent: Vec<&BlockEntry> = view.closed().collect();
        let is_spent = |t: &&blocks::catalogue::Tombstone| {
            !undecided.contains(&t.id) && !absent.iter().any(|entry| t.concerns(entry))
        };
        let spent: Vec<u64> = view.manifest.tombstones.iter().filter(is_spent).map(|t| t.id).collect();
        if !spent.is_empty() {
            self.shelf.commit(Vec::new(), &[], |manifest| manifest.tombstones.retain(|t| !spent.contains(&t.id)))?;
        }
        Ok(None)
    }

    /// A block that a rule is due for. Blocks in which no stream has the rule are only marked.
    fn next_due(&self, view: &View, entries: &[BlockEntry], now: Timestamp) -> io::Result<Option<BlockEntry>> {
        let mut marks: Vec<(u64, Vec<u64>)> = Vec::new();
        // Blocks of level 0 are on their way, and rules are applied on the way.
        for entry in entries.iter().filter(|entry| entry.level > 0) {
            let mut due = self.rules.due(entry.range.end, now);
            due.retain(|(hash, _)| !entry.rules.contains(hash));
            if due.is_empty() {
                continue;
            }
            let Some(block) = view.blocks.iter().find(|block| block.entry().id == entry.id) else { continue };
            let index = match block.index() {
                Ok(index) => index,
                Err(error) if is_damage(&error) => continue,
                Err(error) => return Err(error),
            };
            let is_meant = |(_, rule): &(u64, Option<usize>)| {
                index.streams.iter().any(|labels| self.rules.means(*rule, &entry.tenant, labels))
            };
            if due.iter().any(is_meant) {
                return Ok(Some(entry.clone()));
            }
            marks.push((entry.id, due.into_iter().map(|(hash, _)| hash).collect()));
        }
        if !marks.is_empty() {
            self.shelf.commit(Vec::new(), &[], |manifest| {
                for (id, hashes) in &marks {
                    if let Some(entry) = manifest.blocks.iter_mut().find(|entry| entry.id == *id) {
                        entry.rules.extend(hashes);
                    }
                }
            })?;
        }
        Ok(None)
    }
}

/// The entries of blocks that are open.
fn readable(view: &View) -> Vec<BlockEntry> {
    view.blocks.iter().filter_map(|block: &Arc<Block>| view.manifest.block(block.entry().id)).cloned().collect()
}

/// Starts the thread that compacts.
pub(crate) fn start(compactor: Arc<Compactor>, signal: Signal) -> io::Result<Worker> {
    let mut patience = Patience::new(FIRST_PAUSE, LONGEST_PAUSE);
    Worker::start("logs-compact", TICK, signal, move || {
        if !patience.is_over() {
            return true;
        }
        match compactor.run_all() {
            Ok(_) => patience.succeeded(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                compactor.failures.fetch_add(1, Ordering::Relaxed);
                let pause_s = patience.failed().as_secs();
                tracing::error!(%error, pause_s, "compaction of logs failed, will try again");
            }
        }
        true
    })
}
