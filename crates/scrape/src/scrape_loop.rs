//! One target's loop: wait, fetch, read, store, report. A loop owns its cache and touches no other loop.

use std::sync::Arc;
use std::time::Duration;

use client::HttpClient;
use config::ScrapeConfig;
use model::{
    AppendError, AppendFuture, AppendReport, Clock, RejectReason, SampleSink, Timestamp, WriteBatch, WriteRow,
    stale_nan,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};
use tracing::{debug, error, warn};

use crate::cache::{ScrapeCache, Slot};
use crate::failure_log::FailureLog;
use crate::families::{FamilyList, FamilyStore};
use crate::fetch::{Body, FetchError, fetch};
use crate::ingest::{Counts, IngestContext, ReportValues, batch_of, ingest, keep_report_refs, push_report, stale_rows};
use crate::metrics::{FailureLabels, IntervalLabel, ScrapeMetrics};
use crate::snapshot::TargetHealth;
use crate::target::Target;

/// A scrape that begins this much after its tick, at most, is recorded at the tick; even distances compress best.
const TIMESTAMP_TOLERANCE_MS: i64 = 2;

/// What all loops share.
pub(crate) struct Shared {
    pub(crate) sink: Arc<dyn SampleSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<ScrapeMetrics>,
    pub(crate) families: FamilyStore,
    /// As many bodies are read at a time as there are permits.
    pub(crate) parsing: Arc<Semaphore>,
    /// Bytes of a body where the configuration sets no limit.
    pub(crate) most_body_bytes: u64,
}

/// What all loops of a pool share. Loops take notice of a change before their next scrape.
pub(crate) struct PoolSettings {
    pub(crate) config: Arc<ScrapeConfig>,
    pub(crate) client: HttpClient,
    pub(crate) failure_log: Option<Arc<FailureLog>>,
    /// Why no target of the pool may be scraped.
    pub(crate) forced_error: Option<Arc<str>>,
    /// Another number means that raw series map to other labels.
    pub(crate) rules_version: u64,
    pub(crate) offset_seed: u64,
}

/// What a loop is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Scrape.
    Run,
    /// The target is gone: mark its series as ended, after giving it time to come back.
    Retire,
    /// Another loop takes over the series: end and give the cache away.
    HandOver,
    /// The process ends: write nothing more.
    Halt,
}

/// A running loop. Dropping it halts the loop.
pub(crate) struct LoopHandle {
    pub(crate) target: Arc<Target>,
    mode: watch::Sender<Mode>,
    join: JoinHandle<Option<Box<ScrapeCache>>>,
}

impl LoopHandle {
    pub(crate) fn start(
        target: Arc<Target>,
        shared: Arc<Shared>,
        settings: watch::Receiver<Arc<PoolSettings>>,
        predecessor: Option<LoopHandle>,
    ) -> Self {
        let (mode, receiver) = watch::channel(Mode::Run);
        let rules_version = settings.borrow().rules_version;
        let task = ScrapeLoop {
            rules_version,
            target: target.clone(),
            shared,
            settings,
            mode: receiver,
            cache: Box::default(),
            last_start: None,
        };
        LoopHandle { target, mode, join: tokio::spawn(task.run(predecessor)) }
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.join.is_finished()
    }

    /// Waits for the end of the loop.
    pub(crate) async fn join(self) -> Option<Box<ScrapeCache>> {
        let LoopHandle { join, mode, .. } = self;
        let cache = join.await.ok().flatten();
        drop(mode);
        cache
    }
}

struct ScrapeLoop {
    target: Arc<Target>,
    shared: Arc<Shared>,
    settings: watch::Receiver<Arc<PoolSettings>>,
    mode: watch::Receiver<Mode>,
    cache: Box<ScrapeCache>,
    rules_version: u64,
    last_start: Option<Instant>,
}

impl ScrapeLoop {
    async fn run(mut self, predecessor: Option<LoopHandle>) -> Option<Box<ScrapeCache>> {
        if let Some(predecessor) = predecessor {
            predecessor.set_mode(Mode::HandOver);
            self.cache = predecessor.join().await.unwrap_or_default();
            self.cache.reset_rules();
        }
        let seed = self.settings.borrow().offset_seed;
        let offset = self.target.offset_ms(self.shared.clock.now(), seed);
        let first = Instant::now() + Duration::from_millis(offset.unsigned_abs());
        let period = Duration::from_millis(self.target.interval_ms.unsigned_abs());
        let mut ticks = interval_at(first, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut aligned: Option<Timestamp> = None;
        loop {
            tokio::select! {
                biased;
                mode = changed_mode(&mut self.mode, Mode::Run) => return self.end(mode, ticks).await,
                _ = ticks.tick() => {}
            }
            let now = self.shared.clock.now();
            let time = align(aligned.get_or_insert(now), now, self.target.interval_ms);
            self.scrape(time).await;
        }
    }

    async fn end(mut self, mode: Mode, mut ticks: Interval) -> Option<Box<ScrapeCache>> {
        let mode = match mode {
            Mode::Retire => {
                let mut changes = self.mode.clone();
                tokio::select! {
                    mode = changed_mode(&mut changes, Mode::Retire) => mode,
                    () = self.retire(&mut ticks) => Mode::Halt,
                }
            }
            other => other,
        };
        (mode == Mode::HandOver).then_some(self.cache)
    }

    /// Marks all series as ended at the time of the next scrape that would have been, but only after a second one would
    /// have been too: a target that comes back by then goes on as if nothing had happened.
    async fn retire(&mut self, ticks: &mut Interval) {
        if self.last_start.is_none() && self.cache.vanished(true).is_empty() {
            return;
        }
        ticks.tick().await;
        let time = self.shared.clock.now();
        ticks.tick().await;
        let tenth = Duration::from_millis(self.target.interval_ms.unsigned_abs() / 10);
        sleep_until(Instant::now() + tenth).await;
        self.cache.begin();
        let mut batch = batch_of(stale_rows(self.cache.vanished(true), time).collect(), Vec::new());
        let extra = self.settings.borrow().config.extra_scrape_metrics;
        push_report(&mut batch, &mut self.cache, &self.target, extra, time, [stale_nan(); 8]);
        if let Err(error) = self.shared.sink.append(batch).await {
            warn!(target_url = self.target.url, %error, "staleness markers of a removed target could not be stored");
        }
    }

    async fn scrape(&mut self, time: Timestamp) {
        let settings = self.settings.borrow_and_update().clone();
        if settings.rules_version != self.rules_version {
            self.rules_version = settings.rules_version;
            self.cache.reset_rules();
        }
        let start = Instant::now();
        if let Some(last) = self.last_start.replace(start) {
            let interval = IntervalLabel { interval: self.target.interval_text() };
            let length = (start - last).as_secs_f64();
            self.shared.metrics.interval_length.get_or_create(&interval).observe(length);
        }
        let mut mode = self.mode.clone();
        let fetched = tokio::select! {
            biased;
            () = halted(&mut mode) => return,
            fetched = fetch(&self.target, &settings, &self.shared, self.cache.last_body_bytes) => fetched,
        };
        let attempt = Attempt { time, start, settings: settings.clone() };
        let reason = fetched.as_ref().err().map_or("exposition", FetchError::reason);
        let prepared = self.prepare(fetched, &attempt).await;
        let outcome = self.store(prepared, &attempt).await;
        self.shared.metrics.scrape_duration.observe(start.elapsed().as_secs_f64());
        if outcome.error.is_some() {
            let labels = FailureLabels { scrape_job: settings.config.job_name.clone(), reason };
            self.shared.metrics.failures.get_or_create(&labels).inc();
        }
        self.publish(outcome, &attempt);
    }

    /// Reads the body and hands the samples to the store, on a thread where that may take its time.
    async fn prepare(&mut self, fetched: Result<Body, FetchError>, attempt: &Attempt) -> Prepared {
        let mut cache = std::mem::take(&mut self.cache);
        let (target, shared) = (self.target.clone(), self.shared.clone());
        let body = match fetched {
            Ok(body) => body,
            Err(error) => {
                let bytes = if error == FetchError::TOO_LARGE { -1.0 } else { 0.0 };
                let prepared = failed(&mut cache, &target, attempt, error.to_string(), bytes, Counts::default());
                let append = shared.sink.append(prepared.batch);
                self.cache = cache;
                return Prepared { append, about: prepared.about };
            }
        };
        let permit = self.shared.parsing.clone().acquire_owned().await;
        let work = Attempt { settings: attempt.settings.clone(), ..*attempt };
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let prepared = read(&mut cache, &target, &shared, &work, &body);
            let append = shared.sink.append(prepared.batch);
            (cache, Prepared { append, about: prepared.about })
        });
        match task.await {
            Ok((cache, prepared)) => {
                self.cache = cache;
                prepared
            }
            Err(panic) => {
                error!(target_url = self.target.url, %panic, "reading a scrape failed unexpectedly");
                let text = "internal error while reading the scrape".to_owned();
                let prepared = failed(&mut self.cache, &self.target, attempt, text, 0.0, Counts::default());
                Prepared { append: self.shared.sink.append(prepared.batch), about: prepared.about }
            }
        }
    }

    /// Waits until the samples are durable and brings the cache up to date.
    async fn store(&mut self, prepared: Prepared, attempt: &Attempt) -> Outcome {
        let About { slots, report_row, error, counts, families, body_bytes } = prepared.about;
        let mut outcome = Outcome { error, warning: None, counts, families };
        let refused = match prepared.append.await {
            Ok(report) => {
                keep_report_refs(&mut self.cache, &report.refs, report_row);
                self.settle(&mut outcome, &slots, &report);
                return outcome;
            }
            Err(refused) => refused,
        };
        // Nothing of the scrape is stored. What fits into a small batch is to say so.
        self.shared.metrics.append_failed.inc();
        let text = outcome.error.take().unwrap_or_else(|| refused.to_string());
        let prepared = failed(&mut self.cache, &self.target, attempt, text, body_bytes, counts);
        outcome.error = prepared.about.error;
        let is_closed = matches!(refused, AppendError::Closed);
        if !is_closed && let Ok(report) = self.shared.sink.append(prepared.batch).await {
            keep_report_refs(&mut self.cache, &report.refs, prepared.about.report_row);
            self.settle(&mut outcome, &[], &report);
        }
        outcome
    }

    fn settle(&mut self, outcome: &mut Outcome, slots: &[Slot], report: &AppendReport) {
        let metrics = &self.shared.metrics;
        if outcome.error.is_some() {
            if self.cache.commit_failure() {
                metrics.cache_flush_forced.inc();
            }
            return;
        }
        self.cache.commit(slots, report);
        let counts = outcome.counts;
        metrics.sample_duplicate.inc_by(counts.duplicates);
        metrics.sample_out_of_bounds.inc_by(counts.out_of_bounds);
        let mut lost = vec![
            (RejectReason::DuplicateTimestamp, counts.duplicates),
            (RejectReason::TooFarInFuture, counts.out_of_bounds),
        ];
        // Staleness markers and reports may come too late where a target came back; that is no loss.
        for rejection in report.rejected.iter().filter(|r| r.row < slots.len()) {
            let counter = match rejection.reason {
                RejectReason::OutOfOrder => &metrics.sample_out_of_order,
                RejectReason::DuplicateTimestamp => &metrics.sample_duplicate,
                RejectReason::TooOld | RejectReason::TooFarInFuture => &metrics.sample_out_of_bounds,
                _ => &metrics.sample_rejected,
            };
            counter.inc();
            match lost.iter_mut().find(|(reason, _)| *reason == rejection.reason) {
                Some((_, count)) => *count += 1,
                None => lost.push((rejection.reason, 1)),
            }
        }
        let texts: Vec<String> = lost
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| {
                format!("{count} {} dropped: {reason}", if *count == 1 { "sample" } else { "samples" })
            })
            .collect();
        outcome.warning = (!texts.is_empty()).then(|| texts.join("; "));
    }

    /// Shows the outcome on the target, and in the log where it is news.
    fn publish(&self, outcome: Outcome, attempt: &Attempt) {
        let target_url = self.target.url.as_str();
        let pool = attempt.settings.config.job_name.as_str();
        let mut status = self.target.status.lock();
        let is_news = status.last_error.as_deref() != outcome.error.as_deref();
        if let Some(error) = &outcome.error {
            if is_news {
                warn!(pool, target_url, error, "scrape failed");
            } else {
                debug!(pool, target_url, error, "scrape failed");
            }
            if let Some(log) = &attempt.settings.failure_log {
                log.write(self.shared.clock.now(), pool, target_url, error);
            }
        }
        if let Some(warning) = &outcome.warning
            && status.last_warning.as_deref() != Some(warning)
        {
            warn!(pool, target_url, warning, "scrape lost samples");
        }
        status.health = if outcome.error.is_none() { TargetHealth::Up } else { TargetHealth::Down };
        status.last_error = outcome.error.map(Into::into);
        status.last_warning = outcome.warning.map(Into::into);
        status.last_scrape = Some(attempt.time);
        status.duration_seconds = attempt.start.elapsed().as_secs_f64();
        status.samples = outcome.counts.scraped;
        if let Some(families) = outcome.families {
            status.families = families;
        }
    }
}

/// One scrape's circumstances.
struct Attempt {
    time: Timestamp,
    start: Instant,
    settings: Arc<PoolSettings>,
}

/// A scrape on its way into the store.
struct Prepared {
    append: AppendFuture,
    about: About,
}

/// What is to be known of a batch once it is stored.
struct About {
    slots: Vec<Slot>,
    /// Row of the batch at which the report begins.
    report_row: usize,
    error: Option<String>,
    counts: Counts,
    families: Option<FamilyList>,
    body_bytes: f64,
}

struct Batch {
    batch: WriteBatch,
    about: About,
}

struct Outcome {
    error: Option<String>,
    warning: Option<String>,
    counts: Counts,
    families: Option<FamilyList>,
}

/// Turns a body into a batch: its samples, or, where it is not valid, the end of all series.
fn read(cache: &mut ScrapeCache, target: &Target, shared: &Shared, attempt: &Attempt, body: &Body) -> Batch {
    let config = &attempt.settings.config;
    let context = IngestContext {
        config,
        target,
        store: &shared.families,
        metrics: &shared.metrics,
        time: attempt.time,
        now: shared.clock.now(),
    };
    let bytes = body.bytes.len() as f64;
    cache.begin();
    let (ingested, result) = ingest(&body.bytes, body.format, &context, cache);
    if let Err(error) = result {
        return failed(cache, target, attempt, error.to_string(), bytes, ingested.counts);
    }
    if !body.bytes.is_empty() {
        cache.last_body_bytes = body.bytes.len();
    }
    let mut rows = ingested.rows;
    rows.extend(stale_rows(cache.vanished(false), attempt.time));
    let mut batch = batch_of(rows, ingested.metadata);
    let report_row = batch.rows.len();
    let report = report_values(attempt, target, true, ingested.counts, bytes);
    push_report(&mut batch, cache, target, config.extra_scrape_metrics, attempt.time, report);
    let about = About {
        slots: ingested.slots,
        report_row,
        error: None,
        counts: ingested.counts,
        families: ingested.families,
        body_bytes: bytes,
    };
    Batch { batch, about }
}

/// The batch of a scrape that failed: the end of all series, and `up` at 0.
fn failed(
    cache: &mut ScrapeCache,
    target: &Target,
    attempt: &Attempt,
    error: String,
    body_bytes: f64,
    counts: Counts,
) -> Batch {
    let rows: Vec<WriteRow> = stale_rows(cache.vanished(true), attempt.time).collect();
    let mut batch = batch_of(rows, Vec::new());
    let report_row = batch.rows.len();
    let report = report_values(attempt, target, false, counts, body_bytes);
    let extra = attempt.settings.config.extra_scrape_metrics;
    push_report(&mut batch, cache, target, extra, attempt.time, report);
    let about = About { slots: Vec::new(), report_row, error: Some(error), counts, families: None, body_bytes };
    Batch { batch, about }
}

fn report_values(attempt: &Attempt, target: &Target, is_up: bool, counts: Counts, body_bytes: f64) -> ReportValues {
    [
        f64::from(u8::from(is_up)),
        attempt.start.elapsed().as_secs_f64(),
        counts.scraped as f64,
        counts.after_relabelling as f64,
        counts.new_series as f64,
        target.timeout_ms as f64 / 1000.0,
        attempt.settings.config.sample_limit as f64,
        body_bytes,
    ]
}

/// The tick that `now` belongs to, where it is near enough; else `now`. `aligned` is the last tick.
fn align(aligned: &mut Timestamp, now: Timestamp, interval_ms: i64) -> Timestamp {
    let tolerance = TIMESTAMP_TOLERANCE_MS.min(interval_ms / 100);
    let late = (now.ms() - aligned.ms()).max(0);
    *aligned = aligned.plus_ms(late / interval_ms * interval_ms);
    if (0..=tolerance).contains(&(now.ms() - aligned.ms())) { *aligned } else { now }
}

/// Resolves once the mode is another one. A loop whose handle is gone halts.
async fn changed_mode(mode: &mut watch::Receiver<Mode>, from: Mode) -> Mode {
    mode.wait_for(|mode| *mode != from).await.map_or(Mode::Halt, |mode| *mode)
}

async fn halted(mode: &mut watch::Receiver<Mode>) {
    let _ = mode.wait_for(|mode| *mode == Mode::Halt).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapes_near_their_tick_are_recorded_at_it() {
        let mut aligned = Timestamp(1000);
        for (now, time) in [(1000, 1000), (16_001, 16_000), (31_002, 31_000), (46_003, 46_003), (61_001, 61_000)] {
            assert_eq!(align(&mut aligned, Timestamp(now), 15_000), Timestamp(time));
        }
        assert_eq!(align(&mut aligned, Timestamp(121_000), 15_000), Timestamp(121_000), "ticks were skipped");
        assert_eq!(align(&mut aligned, Timestamp(500), 15_000), Timestamp(500), "the clock was set back");
    }
}
