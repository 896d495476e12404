//! Where the sources' lines come together: batches are cut here and made durable, one after the other.
//!
//! A source waits in [`Intake::submit`] while a batch is full and the one before it is being written; a full buffer or a disk
//! that refuses thereby holds up every source, and nothing is lost but time.

use std::sync::Arc;
use std::time::Duration;

use config::promtail::ShipLimits;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::batch::Batch;
use crate::buffer::Buffer;
use crate::entry::Entry;
use crate::metrics::{DropLabels, ShipMetrics};
use crate::pipeline::Bucket;
use crate::positions::{Marks, apply};
use crate::stamp::Stamps;

/// Between attempts to write to a disk that refuses.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// How long the last batch may take to become durable after the order to stop.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// The shipper stops; what was not taken is read again at the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// When batches are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Bytes of lines.
    pub(crate) size: u64,
    /// Longest wait of a line.
    pub(crate) wait: Duration,
}

#[derive(Debug, Default)]
struct Pending {
    batch: Batch,
    since: Option<Instant>,
    is_full: bool,
    /// Batches taken out so far.
    taken: u64,
}

/// The door for sources.
#[derive(Debug)]
pub(crate) struct Intake {
    cut: Cut,
    limits: ShipLimits,
    pending: Mutex<Pending>,
    filled: Notify,
    room: Notify,
    buffer: Arc<Buffer>,
    marks: Mutex<Marks>,
    /// Batches that are durable.
    durable: watch::Sender<u64>,
    metrics: Arc<ShipMetrics>,
    /// `readline_rate`: what is left of it, and the nanoseconds that sources wait for.
    rate: Mutex<Option<(Bucket, i64)>>,
    stamps: Arc<Stamps>,
    pub(crate) stop: CancellationToken,
}

impl Intake {
    pub(crate) fn new(
        cut: Cut,
        limits: ShipLimits,
        buffer: Arc<Buffer>,
        marks: Marks,
        metrics: Arc<ShipMetrics>,
        stamps: Arc<Stamps>,
    ) -> Arc<Self> {
        let rate = limits.readline_rate.map(|rate| (Bucket::full(rate.burst, stamps.now()), 0));
        Arc::new(Intake {
            rate: Mutex::new(rate),
            stamps,
            stop: CancellationToken::new(),
            cut,
            limits,
            pending: Mutex::default(),
            filled: Notify::new(),
            room: Notify::new(),
            buffer,
            marks: Mutex::new(marks),
            durable: watch::Sender::new(0),
            metrics,
        })
    }

    /// Bytes that a batch may have.
    pub(crate) fn batch_size(&self) -> u64 {
        self.cut.size
    }

    /// Puts a line into a source's own batch, within the limit on lines.
    pub(crate) fn put(&self, batch: &mut Batch, mut entry: Entry<'_>) {
        if self.limits.readline_rate.is_some() && !self.is_within_rate() {
            return;
        }
        let limit = self.limits.max_line_size.bytes() as usize;
        let excess = entry.line.len().saturating_sub(limit);
        if limit == 0 || excess == 0 {
            return batch.push(&entry);
        }
        let labels = DropLabels { host: String::new(), tenant: String::new(), reason: "line_too_long".to_owned() };
        if !self.limits.max_line_size_truncate {
            self.metrics.dropped_entries.get_or_create(&labels).inc();
            self.metrics.dropped_bytes.get_or_create(&labels).inc_by(entry.line.len() as u64);
            return;
        }
        self.metrics.mutated_entries.get_or_create(&labels).inc();
        self.metrics.mutated_bytes.get_or_create(&labels).inc_by(excess as u64);
        let cut = entry.line[..limit].to_vec();
        entry.line = cut.into();
        batch.push(&entry);
    }

    /// False where a line above the rate is to be dropped.
    fn is_within_rate(&self) -> bool {
        let (Some(limit), Some((bucket, pause))) = (self.limits.readline_rate, &mut *self.rate.lock()) else {
            return true;
        };
        let now = self.stamps.now();
        if !limit.drop {
            *pause = bucket.reserve(limit.rate, limit.burst, now);
            return true;
        }
        let is_within = bucket.allow(limit.rate, limit.burst, now);
        if !is_within {
            self.metrics.measures.count_dropped("global_rate_limiter_drop");
        }
        is_within
    }

    /// Until lines above the rate would have come at the rate.
    async fn keep_to_rate(&self) {
        let pause = self.rate.lock().as_mut().map_or(0, |(_, pause)| std::mem::take(pause));
        if pause > 0 {
            tokio::select! {
                () = sleep_until(Instant::now() + Duration::from_nanos(pause.unsigned_abs())) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Takes over a source's batch as one whole; waits for room. Answers the number of the batch that it becomes part of.
    pub(crate) async fn submit(&self, batch: Batch) -> Result<u64, Stopped> {
        if self.limits.readline_rate.is_some_and(|limit| !limit.drop) {
            self.keep_to_rate().await;
        }
        let mut batch = Some(batch);
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if let Some(number) = self.try_add(&mut batch) {
                return Ok(number);
            }
            self.filled.notify_one();
            tokio::select! {
                () = room => {}
                () = self.stop.cancelled() => return Err(Stopped),
            }
        }
    }

    fn try_add(&self, batch: &mut Option<Batch>) -> Option<u64> {
        let mut pending = self.pending.lock();
        let more = batch.as_ref().map_or(0, |batch| batch.bytes);
        if !pending.batch.is_empty() && pending.batch.bytes + more > self.cut.size {
            pending.is_full = true;
            return None;
        }
        let batch = batch.take()?;
        if batch.is_empty() {
            return Some(pending.taken);
        }
        pending.batch.absorb(batch);
        pending.since.get_or_insert_with(Instant::now);
        pending.is_full |= pending.batch.bytes >= self.cut.size;
        let number = pending.taken + 1;
        // The writer must learn when the first line came, too, to know how long it may wait.
        drop(pending);
        self.filled.notify_one();
        Some(number)
    }

    /// As [`Intake::submit`], and waits until the batch is durable.
    pub(crate) async fn submit_durable(&self, batch: Batch) -> Result<(), Stopped> {
        let number = self.submit(batch).await?;
        let mut durable = self.durable.subscribe();
        tokio::select! {
            known = durable.wait_for(|durable| *durable >= number) => known.map(drop).map_err(|_| Stopped),
            () = self.stop.cancelled() => Err(Stopped),
        }
    }

    /// How far sources were read, as far as it is durable.
    pub(crate) fn marks(&self) -> Marks {
        self.marks.lock().clone()
    }

    /// Writes batches until the order to stop, then the last one.
    pub(crate) async fn write_batches(&self) {
        while !self.stop.is_cancelled() {
            self.wait_for_batch().await;
            if self.stop.is_cancelled() {
                break;
            }
            let (batch, number) = self.take();
            tokio::select! {
                () = self.write(batch, number) => {}
                () = self.patience() => return report_left_out(),
            }
        }
        let (batch, number) = self.take();
        if !batch.is_empty() && timeout(LAST_WRITE, self.write(batch, number)).await.is_err() {
            report_left_out();
        }
    }

    /// Ends some time after the order to stop.
    async fn patience(&self) {
        self.stop.cancelled().await;
        sleep_until(Instant::now() + LAST_WRITE).await;
    }

    async fn wait_for_batch(&self) {
        loop {
            let due = {
                let pending = self.pending.lock();
                if pending.is_full {
                    return;
                }
                pending.since.map(|since| since + self.cut.wait)
            };
            if due.is_some_and(|due| due <= Instant::now()) {
                return;
            }
            tokio::select! {
                () = self.filled.notified() => {}
                () = self.stop.cancelled() => return,
                () = async { match due { Some(due) => sleep_until(due).await, None => std::future::pending().await } } => return,
            }
        }
    }

    fn take(&self) -> (Batch, u64) {
        let mut pending = self.pending.lock();
        pending.taken += 1;
        pending.since = None;
        pending.is_full = false;
        let taken = (std::mem::take(&mut pending.batch), pending.taken);
        drop(pending);
        self.room.notify_waiters();
        taken
    }

    async fn write(&self, batch: Batch, number: u64) {
        self.buffer.room().await;
        while let Err(reason) = self.buffer.push(&batch).await {
            self.metrics.write_failures.inc();
            error!(reason, "the buffer cannot be written; sources wait");
            sleep_until(Instant::now() + DISK_PAUSE).await;
        }
        apply(&mut self.marks.lock(), batch.changes);
        self.durable.send_replace(number);
    }
}

fn report_left_out() {
    info!("the last lines are not in the buffer; their sources are read again at the next start");
}
