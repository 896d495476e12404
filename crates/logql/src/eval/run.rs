//! What all parts of one query share: where it reads, how long it may take, what it has read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{Clock, Held, LogPage, LogRequest, LogSource, Matcher, NanoRange, PageInfo, Reservation, StreamSet};

use super::Series;
use crate::engine::{EngineOptions, QueryContext, QueryResult, QueryStats};
use crate::error::QueryError;
use crate::value::Value;

/// One query under way.
pub(crate) struct Run<'r> {
    source: &'r dyn LogSource,
    ctx: &'r QueryContext,
    begin: Instant,
    timeout: Duration,
    pub(crate) clock: &'r Arc<dyn Clock>,
    reservation: Arc<Reservation>,
    lines: AtomicU64,
    bytes: AtomicU64,
    streams: AtomicU64,
    pages: AtomicU64,
    pages_read: AtomicU64,
    warnings: Mutex<Vec<String>>,
}

/// A page to read.
pub(crate) struct Task {
    pub(crate) stream: usize,
    pub(crate) page: Arc<dyn LogPage>,
    pub(crate) info: PageInfo,
}

impl<'r> Run<'r> {
    pub(crate) fn new(
        source: &'r dyn LogSource,
        ctx: &'r QueryContext,
        options: &'r EngineOptions,
        begin: Instant,
        timeout: Duration,
    ) -> Self {
        Run {
            source,
            ctx,
            begin,
            timeout,
            clock: &options.clock,
            reservation: options.memory.open(),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            pages_read: AtomicU64::new(0),
            warnings: Mutex::default(),
        }
    }

    /// An error where the query should end.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.ctx.cancel.is_canceled() {
            return Err(QueryError::Canceled);
        }
        if self.begin.elapsed() > self.timeout {
            return Err(QueryError::Timeout(self.timeout));
        }
        Ok(())
    }

    /// A part of the memory of the query.
    pub(crate) fn hold(&self) -> Held {
        Held::of(Some(&self.reservation))
    }

    /// Takes memory for the answer itself.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), QueryError> {
        Ok(self.reservation.take(bytes)?)
    }

    /// Takes memory for series, and gives back the bytes of those that they were made of, which are gone.
    pub(crate) fn exchange(&self, before: usize, series: Vec<Series>) -> Result<Vec<Series>, QueryError> {
        self.give_back(before);
        self.take(Series::bytes(&series))?;
        Ok(series)
    }

    /// Gives back bytes that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.reservation.release(bytes);
    }

    /// Selects streams, and calls `read` with them and with all of their pages in the range.
    pub(crate) fn with_pages<T>(
        &self,
        matchers: &[Matcher],
        range: NanoRange,
        fragments: &[Vec<u8>],
        read: impl FnOnce(&dyn StreamSet, Vec<Task>) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let request =
            LogRequest { tenant: &self.ctx.tenant, matchers, range, fragments, memory: Some(&self.reservation) };
        let set = self.source.select(&request)?;
        self.streams.fetch_add(set.len() as u64, Ordering::Relaxed);
        let mut tasks = Vec::new();
        for stream in 0..set.len() {
            if stream.is_multiple_of(64) {
                self.check()?;
            }
            for page in set.pages(stream)? {
                let info = page.info();
                if info.first < range.end && info.last >= range.start {
                    tasks.push(Task { stream, page, info });
                }
            }
        }
        self.pages.fetch_add(tasks.len() as u64, Ordering::Relaxed);
        self.ctx.progress.found(tasks.len() as u64);
        let result = read(&*set, tasks);
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in set.warnings() {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        result
    }

    /// Notes lines that were looked at and bytes that were read for them.
    pub(crate) fn note(&self, lines: u64, bytes: u64) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.ctx.progress.add(lines, bytes);
    }

    /// Notes that more than the header of a page is read.
    pub(crate) fn note_page_read(&self) {
        self.pages_read.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a page is done with.
    pub(crate) fn note_page_done(&self) {
        self.ctx.progress.page_done();
    }

    /// Puts the answer together.
    pub(crate) fn finish(self, value: Value) -> QueryResult {
        let entries = match &value {
            Value::Streams(streams) => streams.iter().map(|stream| stream.entries.len()).sum(),
            Value::Matrix(matrix) => matrix.iter().map(|series| series.points.len()).sum(),
            Value::Vector(vector) => vector.len(),
            Value::Scalar(..) => 1,
        };
        let stats = QueryStats {
            bytes_processed: self.bytes.into_inner(),
            lines_processed: self.lines.into_inner(),
            entries_returned: entries as u64,
            streams: self.streams.into_inner(),
            pages: self.pages.into_inner(),
            pages_read: self.pages_read.into_inner(),
            execution: self.begin.elapsed(),
        };
        let warnings = self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
        QueryResult { value, stats, warnings, reservation: self.reservation }
    }
}
