//! Memory that is asked for before it is used: a pool that many share, what one of them has taken of it, and what the process
//! really takes of the machine.
//!
//! Sizes are estimates, so a pool also looks at the process itself from time to time: beyond a mark nobody gets more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use thiserror::Error;

/// Bytes that are given out between two looks at the process.
const LOOK_BYTES: usize = 1 << 20;
/// Looks are not closer than this.
const LOOK_APART: Duration = Duration::from_millis(2);
/// Nor are attempts to give back what is free.
const RELIEF_APART: Duration = Duration::from_millis(250);

/// Why memory is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MemoryError {
    /// More than one may take; asking again does not help.
    #[error(
        "more than the {limit} bytes of memory that one request may take: ask for a shorter range, fewer series or a longer step, or raise --memory"
    )]
    One {
        /// Bytes.
        limit: usize,
    },
    /// All together are at their limit.
    #[error("the memory for queries is used up by those that are running, try again in a moment")]
    All,
    /// The process is near its budget.
    #[error("the process is near its memory budget, try again in a moment")]
    Process,
}

/// What the process takes of the machine's memory, looked up now and then.
pub struct Resident {
    mark: u64,
    measure: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    relieve: Box<dyn Fn() + Send + Sync>,
    bytes: AtomicU64,
    since: AtomicUsize,
    times: Mutex<Times>,
}

/// When it was done last.
#[derive(Debug, Default)]
struct Times {
    look: Option<Instant>,
    relief: Option<Instant>,
}

/// True where that is long enough ago, and then it is now.
fn is_due(last: &mut Option<Instant>, now: Instant, apart: Duration) -> bool {
    let is_due = last.is_none_or(|last| now.duration_since(last) >= apart);
    if is_due {
        *last = Some(now);
    }
    is_due
}

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident").field("bytes", &self.bytes).field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl Resident {
    /// Beyond `mark` bytes nobody shall take more. `measure` answers the bytes that the process has, if it can be told;
    /// `relieve` gives back to the system what the allocator holds for nobody, and is called from seven eighths of the mark on.
    pub fn new(
        mark: u64,
        measure: impl Fn() -> Option<u64> + Send + Sync + 'static,
        relieve: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Resident {
            mark,
            measure: Box::new(measure),
            relieve: Box::new(relieve),
            bytes: AtomicU64::new(0),
            since: AtomicUsize::new(0),
            times: Mutex::default(),
        })
    }

    /// True where the process has more than it should; the caller is about to use so many bytes if it has not.
    pub fn is_over(&self, bytes: usize) -> bool {
        let is_due = self.since.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= LOOK_BYTES;
        if is_due || self.bytes() > self.mark {
            self.look();
        }
        self.bytes() > self.mark
    }

    /// What the last look found, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The mark, in bytes.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    fn look(&self) {
        let mut times = match self.times.try_lock() {
            Ok(times) => times,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let now = Instant::now();
        if !is_due(&mut times.look, now, LOOK_APART) {
            return;
        }
        self.since.store(0, Ordering::Relaxed);
        self.measure();
        if self.bytes() > self.mark / 8 * 7 && is_due(&mut times.relief, now, RELIEF_APART) {
            (self.relieve)();
            self.measure();
        }
    }

    fn measure(&self) {
        if let Some(bytes) = (self.measure)() {
            self.bytes.store(bytes, Ordering::Relaxed);
        }
    }
}

/// Refusals since the start.
#[derive(Debug, Default)]
struct Refusals {
    one: AtomicU64,
    all: AtomicU64,
    process: AtomicU64,
}

/// So much each may have however much the process has: what is kept for good may lie beyond the mark for long, and small
/// questions, such as those that tell why, must be answered all the same.
const SMALL: usize = 4 << 20;

/// Memory that many share, in bytes as they count them.
#[derive(Debug)]
pub struct MemoryPool {
    used: AtomicUsize,
    limit: usize,
    limit_of_one: usize,
    resident: Option<Arc<Resident>>,
    refusals: Refusals,
}

impl MemoryPool {
    /// All together may take `limit` bytes, one of them `limit_of_one`, and nobody more once the process is beyond its mark.
    pub fn new(limit: usize, limit_of_one: usize, resident: Option<Arc<Resident>>) -> Arc<Self> {
        let limit_of_one = limit_of_one.min(limit);
        Arc::new(MemoryPool { used: AtomicUsize::new(0), limit, limit_of_one, resident, refusals: Refusals::default() })
    }

    /// No limit.
    pub fn unlimited() -> Arc<Self> {
        MemoryPool::new(usize::MAX, usize::MAX, None)
    }

    /// Bytes that are taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that all may take together.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Reservations that were refused memory since the start, by reason.
    pub fn refusals(&self) -> [(&'static str, u64); 3] {
        let Refusals { one, all, process } = &self.refusals;
        [("query_limit", one), ("queries_limit", all), ("process", process)]
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    /// Begins to take.
    pub fn open(self: &Arc<Self>) -> Arc<Reservation> {
        Arc::new(Reservation { pool: self.clone(), bytes: AtomicUsize::new(0), is_refused: AtomicBool::new(false) })
    }
}

/// What one has of a pool; given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    pool: Arc<MemoryPool>,
    bytes: AtomicUsize,
    is_refused: AtomicBool,
}

impl Reservation {
    /// Takes more; counted even where it answers an error, because the caller has what it has until it gives up.
    pub fn take(&self, bytes: usize) -> Result<(), MemoryError> {
        if bytes == 0 {
            return Ok(());
        }
        let pool = &*self.pool;
        let own = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let all = pool.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let (error, counter) = if own > pool.limit_of_one {
            (MemoryError::One { limit: pool.limit_of_one }, &pool.refusals.one)
        } else if all > pool.limit {
            (MemoryError::All, &pool.refusals.all)
        } else if own > SMALL && pool.resident.as_ref().is_some_and(|resident| resident.is_over(bytes)) {
            (MemoryError::Process, &pool.refusals.process)
        } else {
            return Ok(());
        };
        if !self.is_refused.swap(true, Ordering::Relaxed) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Err(error)
    }

    /// Gives back; no more than was taken.
    pub fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.pool.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes taken and not given back.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

/// A part of a reservation for one purpose, given back when it is dropped. Without a reservation nothing is counted.
#[derive(Debug, Default)]
pub struct Held {
    reservation: Option<Arc<Reservation>>,
    bytes: usize,
}

impl Held {
    /// Nothing yet.
    pub fn of(reservation: Option<&Arc<Reservation>>) -> Self {
        Held { reservation: reservation.cloned(), bytes: 0 }
    }

    /// Nothing yet, of the same reservation.
    pub fn clone_empty(&self) -> Self {
        Held::of(self.reservation.as_ref())
    }

    /// Takes more.
    pub fn add(&mut self, bytes: usize) -> Result<(), MemoryError> {
        let Some(reservation) = &self.reservation else { return Ok(()) };
        self.bytes += bytes;
        reservation.take(bytes)
    }

    /// Takes more or gives back until so much is held.
    pub fn set(&mut self, bytes: usize) -> Result<(), MemoryError> {
        if bytes >= self.bytes {
            return self.add(bytes - self.bytes);
        }
        if let Some(reservation) = &self.reservation {
            reservation.release(self.bytes - bytes);
            self.bytes = bytes;
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(reservation) = &self.reservation {
            reservation.release(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_all_and_the_process() {
        let process = Arc::new(AtomicU64::new(0));
        let measured = process.clone();
        let resident = Resident::new(1000, move || Some(measured.load(Ordering::Relaxed)), || ());
        let pool = MemoryPool::new(100 << 20, 60 << 20, Some(resident));
        let (a, b) = (pool.open(), pool.open());
        assert_eq!(a.take(60 << 20), Ok(()));
        assert_eq!(a.take(1), Err(MemoryError::One { limit: 60 << 20 }));
        assert_eq!(a.take(1), Err(MemoryError::One { limit: 60 << 20 }));
        assert_eq!(b.take(41 << 20), Err(MemoryError::All));
        drop(a);
        assert_eq!((pool.used(), b.bytes()), (41 << 20, 41 << 20));
        drop(b);

        let c = pool.open();
        process.store(1001, Ordering::Relaxed);
        std::thread::park_timeout(2 * LOOK_APART);
        assert_eq!(c.take(SMALL), Ok(()), "small questions are answered");
        assert_eq!(c.take(LOOK_BYTES), Err(MemoryError::Process));
        process.store(1000, Ordering::Relaxed);
        std::thread::park_timeout(2 * LOOK_APART);
        assert_eq!(c.take(1), Ok(()), "whoever is refused looks again");
        assert_eq!(pool.refusals(), [("query_limit", 1), ("queries_limit", 1), ("process", 1)]);
    }

    #[test]
    fn what_is_free_is_given_back_before_anybody_is_refused() {
        let process = Arc::new(AtomicU64::new(2000));
        let (measured, relieved) = (process.clone(), process);
        let measure = move || Some(measured.load(Ordering::Relaxed));
        let resident = Resident::new(1000, measure, move || relieved.store(500, Ordering::Relaxed));
        assert!(!resident.is_over(LOOK_BYTES));
        assert_eq!(resident.bytes(), 500);
    }

    #[test]
    fn parts_are_given_back() {
        let pool = MemoryPool::new(100, 100, None);
        let reservation = pool.open();
        let mut held = Held::of(Some(&reservation));
        held.add(50).unwrap();
        held.set(30).unwrap();
        assert_eq!(reservation.bytes(), 30);
        assert!(held.set(101).is_err());
        drop(held);
        assert_eq!((reservation.bytes(), pool.used()), (0, 0));
        assert_eq!(Held::default().add(usize::MAX), Ok(()));
    }
}
