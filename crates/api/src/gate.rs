//! Work that blocks, admitted in bounded numbers and dropped when nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use promql::engine::CancelFlag;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::errors::{ApiError, ErrorKind};

/// Callers that may wait, for each that may run.
const WAITING_PER_SLOT: usize = 4;

/// Admits a bounded number of callers and lets a few more wait.
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
}

/// The right to run, and how long it took to get it.
pub(crate) struct Admission {
    permit: OwnedSemaphorePermit,
    pub(crate) waited: Duration,
}

/// Counts a waiting caller for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Raises the flag when the caller's future is dropped, which is what happens when a client goes away.
struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Gate {
    pub(crate) fn new(slots: usize) -> Self {
        Gate {
            slots: Arc::new(Semaphore::new(slots)),
            waiting: AtomicUsize::new(0),
            max_waiting: slots * WAITING_PER_SLOT,
        }
    }

    /// Callers that may run at a time.
    pub(crate) fn slots(&self) -> usize {
        self.max_waiting / WAITING_PER_SLOT
    }

    /// Callers that may wait at a time.
    pub(crate) fn max_waiting(&self) -> usize {
        self.max_waiting
    }

    /// Waits for a free slot, at most for `timeout`; refuses at once where too many wait already.
    pub(crate) async fn admit(&self, timeout: Duration) -> Result<Admission, ApiError> {
        let since = Instant::now();
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(Admission { permit, waited: Duration::ZERO });
        }
        let place = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if place >= self.max_waiting {
            return Err(ApiError::unavailable("too many queries are running and waiting; try again in a moment", 1));
        }
        match tokio::time::timeout(timeout, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(permit) => {
                let permit = permit.expect("the semaphore is never closed");
                Ok(Admission { permit, waited: since.elapsed() })
            }
            Err(_) => Err(ApiError::new(ErrorKind::Timeout, "query timed out in query queue")),
        }
    }
}

impl Admission {
    /// Runs `work` on a thread that may block. The slot is held until the work has really ended, even when the caller's
    /// future is dropped before; in that case the flag asks the work to end early.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        cancel: CancelFlag,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _cancel = CancelOnDrop(cancel);
        let permit = self.permit;
        let task = tokio::task::spawn_blocking(move || {
            let answer = work();
            drop(permit);
            answer
        });
        match task.await {
            Ok(answer) => Ok(answer),
            Err(failure) if failure.is_panic() => std::panic::resume_unwind(failure.into_panic()),
            Err(_) => Err(ApiError::new(ErrorKind::Canceled, "the server is stopping")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_refuses_and_times_out() {
        let gate = Gate::new(1);
        let held = gate.admit(Duration::from_secs(1)).await.ok().unwrap();
        let late = gate.admit(Duration::from_secs(1)).await.err().unwrap();
        assert_eq!((late.kind, late.message.as_str()), (ErrorKind::Timeout, "query timed out in query queue"));

        let crowd = futures::future::join_all((0..6).map(|_| gate.admit(Duration::from_secs(1)))).await;
        let refused = crowd.iter().filter(|r| r.as_ref().is_err_and(|e| e.kind == ErrorKind::Unavailable)).count();
        assert_eq!(refused, 2);

        drop(held);
        assert!(gate.admit(Duration::ZERO).await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_caller_cancels_and_the_slot_stays_taken_until_the_work_ends() {
        let gate = Gate::new(1);
        let cancel = CancelFlag::default();
        let (proceed, wait) = std::sync::mpsc::channel::<()>();
        let admission = gate.admit(Duration::from_secs(1)).await.ok().unwrap();
        let running = admission.run(cancel.clone(), move || wait.recv());
        assert!(tokio::time::timeout(Duration::from_millis(20), running).await.is_err());
        assert!(cancel.is_canceled());
        assert!(gate.admit(Duration::from_millis(20)).await.is_err());
        drop(proceed);
        assert!(gate.admit(Duration::from_secs(5)).await.is_ok());
    }
}
