//! What happens to blocks after the flush: they are merged into wider windows, thinned, shortened and dropped.
//!
//! One thread does one job at a time, beside the thread that flushes, so that neither waits for the other. What is to be done
//! next follows from the catalogue alone, so a job that was cut short by a crash or a full disk is simply found again.
//!
//! ```text
//! catalogue -> plan -> job: cursors -> merge_rows -> rules, downsample -> writers -> catalogue
//! ```

mod downsample;
mod held;
mod job;
mod merge_rows;
mod rules;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use blocks::catalogue::{BlockEntry, Loss};
use blocks::plan::{PlanOptions, Retention, expired, next_job_without};
use model::{Clock, Matcher, TimeRange, Timestamp};
use parking_lot::Mutex;

use crate::block::Block;
use crate::shelf::{Shelf, View, is_damage};

use held::Held;
pub(crate) use rules::Rules;
pub use rules::{DownsampleStep, RetentionRule};
pub(crate) use worker::Worker;

/// What compaction is told.
#[derive(Clone, Debug)]
pub(crate) struct CompactOptions {
    /// How blocks are put together.
    pub(crate) plan: PlanOptions,
    /// What is kept, how long and how thin.
    pub(crate) rules: Rules,
    /// The oldest blocks go until the rest have at most so many bytes.
    pub(crate) max_bytes: Option<u64>,
    /// Where damaged files are set aside.
    pub(crate) quarantine: PathBuf,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct CompactCounters {
    /// Jobs done.
    pub(crate) jobs: AtomicU64,
    /// Jobs that failed and will be tried again.
    pub(crate) failures: AtomicU64,
    /// Samples read by jobs.
    pub(crate) samples_read: AtomicU64,
    /// Samples written by jobs.
    pub(crate) samples_written: AtomicU64,
    /// Bytes of the blocks that jobs replaced.
    pub(crate) bytes_read: AtomicU64,
    /// Bytes of the blocks that jobs wrote.
    pub(crate) bytes_written: AtomicU64,
    /// Rows that could not be read; their files were set aside.
    pub(crate) damaged_rows: AtomicU64,
    /// Blocks that were dropped because they were too old.
    pub(crate) expired_by_time: AtomicU64,
    /// Blocks that were dropped because there were too many bytes.
    pub(crate) expired_by_size: AtomicU64,
}

/// Keeps the blocks of one store in order.
#[derive(Debug)]
pub(crate) struct Compactor {
    shelf: Arc<Shelf>,
    clock: Arc<dyn Clock>,
    options: CompactOptions,
    /// Held while a job runs.
    busy: Mutex<()>,
    /// Raised when the store closes: a job under way gives up.
    closing: AtomicBool,
    /// Blocks that no job takes for now.
    pub(crate) held: Held,
    pub(crate) counters: CompactCounters,
}

impl Compactor {
    /// How blocks are put together.
    pub(crate) fn plan(&self) -> &PlanOptions {
        &self.options.plan
    }

    pub(crate) fn new(shelf: Arc<Shelf>, clock: Arc<dyn Clock>, options: CompactOptions) -> Self {
        Compactor {
            shelf,
            clock,
            options,
            busy: Mutex::default(),
            closing: AtomicBool::new(false),
            held: Held::default(),
            counters: CompactCounters::default(),
        }
    }

    /// The age at which nothing is kept any more, in milliseconds.
    pub(crate) fn longest_ms(&self) -> i64 {
        self.options.rules.longest_ms()
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
    pub(crate) fn run_one(&self) -> io::Result<bool> {
        let _busy = self.busy.lock();
        self.run_first()
    }

    /// The same for a caller that keeps others from it.
    fn run_first(&self) -> io::Result<bool> {
        let now = self.clock.now();
        self.drop_expired(now)?;
        let view = self.shelf.view();
        self.held.keep_to(&view);
        let held = self.held.ids();
        let entries = readable(&view);
        let job = match next_job_without(&entries, &held, now, &self.options.plan) {
            Some(job) => Some(job),
            None => match self.next_grave(&view, &held)? {
                Some(entry) => Some(job::rewrite(&entry, &entry.tenant)),
                None => self.next_due(&view, &entries, &held, now)?.map(|entry| job::rewrite(&entry, &entry.tenant)),
            },
        };
        drop(view);
        match job {
            Some(job) => self.run(&job, now).map(|()| true),
            None => Ok(false),
        }
    }

    /// Does everything that is due, and then merges the newest windows as if they were over; they grow by another merge when
    /// they are.
    pub(crate) fn merge_now(&self) -> io::Result<()> {
        let _busy = self.busy.lock();
        let windows_ms = vec![self.options.plan.windows_ms[0]];
        let newest = PlanOptions { windows_ms, ..self.options.plan.clone() };
        while !self.closing.load(Ordering::Relaxed) {
            if self.run_first()? {
                continue;
            }
            let now = self.clock.now();
            let later = now.plus_ms(2 * newest.windows_ms[0]).plus_ms(newest.close_after_ms);
            let Some(job) = next_job_without(&readable(&self.shelf.view()), &self.held.ids(), later, &newest) else {
                break;
            };
            self.run(&job, now)?;
        }
        self.shelf.sweep();
        Ok(())
    }

    /// Writes every block again that holds deleted samples, so that they take no space any more.
    pub(crate) fn clean_tombstones(&self) -> io::Result<()> {
        let _busy = self.busy.lock();
        while let Some(entry) = self.next_grave(&self.shelf.view(), &self.held.ids())? {
            self.run(&job::rewrite(&entry, &entry.tenant), self.clock.now())?;
        }
        Ok(())
    }

    fn run(&self, job: &blocks::plan::Job, now: Timestamp) -> io::Result<()> {
        let bench = job::Bench {
            shelf: &self.shelf,
            rules: &self.options.rules,
            now,
            cancel: &self.closing,
            quarantine: &self.options.quarantine,
        };
        let done = job::run(&bench, job).inspect_err(|error| self.hold_unreadable(&job.inputs, error))?;
        let counters = &self.counters;
        for (counter, by) in [
            (&counters.jobs, 1),
            (&counters.samples_read, done.samples_in),
            (&counters.samples_written, done.samples_out),
            (&counters.bytes_read, done.bytes_in),
            (&counters.bytes_written, done.bytes_out),
            (&counters.damaged_rows, done.damaged_rows),
        ] {
            counter.fetch_add(by, Ordering::Relaxed);
        }
        tracing::debug!(tenant = job.tenant.as_str(), ?done, "blocks compacted");
        Ok(())
    }

    /// Blocks that are too old or too many.
    pub(crate) fn expired(&self, entries: &[BlockEntry], now: Timestamp) -> Vec<u64> {
        let retention = Retention { time_ms: Some(self.options.rules.longest_ms()), bytes: self.options.max_bytes };
        expired(entries, now, &retention)
    }

    /// Drops blocks that are too old or too many.
    fn drop_expired(&self, now: Timestamp) -> io::Result<()> {
        let view = self.shelf.view();
        let time_ms = Some(self.options.rules.longest_ms());
        let by_time = expired(&view.manifest.blocks, now, &Retention { time_ms, bytes: None });
        let all = self.expired(&view.manifest.blocks, now);
        // What would be gone by now was not lost.
        let is_kept = |loss: &Loss| loss.range.end >= now.plus_ms(self.options.rules.longest_ms().saturating_neg());
        let all_losses_stay = view.manifest.losses.iter().all(is_kept);
        drop(view);
        if all.is_empty() && all_losses_stay {
            return Ok(());
        }
        if !all.is_empty() {
            tracing::info!(blocks = all.len(), by_time = by_time.len(), "blocks past their retention are dropped");
        }
        self.shelf.commit(Vec::new(), &all, |manifest| manifest.losses.retain(is_kept))?;
        self.counters.expired_by_time.fetch_add(by_time.len() as u64, Ordering::Relaxed);
        self.counters.expired_by_size.fetch_add((all.len() - by_time.len()) as u64, Ordering::Relaxed);
        Ok(())
    }

    /// A block that holds samples which count as deleted. Deletions that no block holds samples of are forgotten.
    fn next_grave(&self, view: &View, held: &BTreeSet<u64>) -> io::Result<Option<BlockEntry>> {
        for block in view.blocks.iter().filter(|block| !held.contains(&block.entry().id)) {
            for grave in view.graves_of(block) {
                if self.has_rows(block, &grave.matchers, grave.tombstone.range)? {
                    return Ok(Some(block.entry().clone()));
                }
            }
        }
        // A block that cannot be opened or read now may come back, and then its deletions must still be known.
        let left_alone = view.manifest.blocks.iter().filter(|entry| held.contains(&entry.id));
        let absent: Vec<&BlockEntry> = view.closed().chain(left_alone).collect();
        let tombstones = &view.manifest.tombstones;
        let is_spent = |t: &&blocks::catalogue::Tombstone| !absent.iter().any(|entry| t.concerns(entry));
        let spent: Vec<u64> = tombstones.iter().filter(is_spent).map(|t| t.id).collect();
        if !spent.is_empty() {
            self.shelf.commit(Vec::new(), &[], |manifest| manifest.tombstones.retain(|t| !spent.contains(&t.id)))?;
        }
        Ok(None)
    }

    /// A block that a rule is due for. Blocks in which no series has the rule are only marked.
    fn next_due(
        &self,
        view: &View,
        entries: &[BlockEntry],
        held: &BTreeSet<u64>,
        now: Timestamp,
    ) -> io::Result<Option<BlockEntry>> {
        let mut marks: Vec<(u64, Vec<u64>)> = Vec::new();
        // Blocks of level 0 are on their way, and rules are applied on the way.
        for entry in entries.iter().filter(|entry| entry.level > 0 && !held.contains(&entry.id)) {
            let due = self.options.rules.due(entry.range.end, now);
            let open: Vec<_> = due.iter().filter(|effect| !entry.rules.contains(&effect.hash)).collect();
            if open.is_empty() {
                continue;
            }
            let Some(block) = view.blocks.iter().find(|block| block.entry().id == entry.id) else { continue };
            for effect in &open {
                let concerns = match effect.rule {
                    Some(rule) => self.has_rows(block, self.options.rules.matchers(rule), entry.range)?,
                    None => true,
                };
                if concerns {
                    return Ok(Some(entry.clone()));
                }
            }
            marks.push((entry.id, open.iter().map(|effect| effect.hash).collect()));
        }
        if !marks.is_empty() {
            self.shelf.commit(Vec::new(), &[], |manifest| {
                for (id, hashes) in marks {
                    if let Some(entry) = manifest.blocks.iter_mut().find(|entry| entry.id == id) {
                        entry.rules.extend(hashes);
                    }
                }
            })?;
        }
        Ok(None)
    }

    /// True where a block has such series, or cannot tell.
    fn has_rows(&self, block: &Block, matchers: &[Matcher], range: TimeRange) -> io::Result<bool> {
        match block.matching(matchers, range) {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(error) if is_damage(&error) => Ok(true),
            Err(error) => {
                self.hold_unreadable(&[block.entry().id], &error);
                Err(error)
            }
        }
    }
}

/// The entries of the blocks that could be opened.
fn readable(view: &View) -> Vec<BlockEntry> {
    view.blocks.iter().map(|block| block.entry().clone()).collect()
}
