//! The thread that compacts, and its patience after a failure.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Compactor;
use crate::patience::Patience;

/// How often the worker looks whether something is due.
const TICK: Duration = Duration::from_secs(10);
/// The pause after a first failure; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

#[derive(Debug, Default)]
struct Call {
    wake: bool,
    stop: bool,
}

type Signal = (Mutex<Call>, Condvar);

/// The thread; stops when told so or dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    compactor: Arc<Compactor>,
    signal: Arc<Signal>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(compactor: Arc<Compactor>) -> io::Result<Self> {
        let signal: Arc<Signal> = Arc::default();
        let (its_compactor, its_signal) = (compactor.clone(), signal.clone());
        let run = move || work(&its_compactor, &its_signal);
        let thread = std::thread::Builder::new().name("metrics-compact".into()).spawn(run)?;
        Ok(Worker { compactor, signal, thread: Some(thread) })
    }

    /// Asks the thread to look now.
    pub(crate) fn wake(&self) {
        self.signal.0.lock().wake = true;
        self.signal.1.notify_one();
    }

    /// Cancels the job under way and returns once the thread is gone.
    pub(crate) fn stop(&mut self) {
        self.compactor.stop();
        self.signal.0.lock().stop = true;
        self.signal.1.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the compaction of the metric store panicked");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(compactor: &Compactor, signal: &Signal) {
    let mut patience = Patience::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let mut call = signal.0.lock();
        if !call.stop && !call.wake {
            signal.1.wait_for(&mut call, TICK);
        }
        call.wake = false;
        if call.stop {
            return;
        }
        drop(call);
        if !patience.is_over() {
            continue;
        }
        match compactor.run_all() {
            Ok(_) => patience.succeeded(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                compactor.counters.failures.fetch_add(1, Ordering::Relaxed);
                let pause_s = patience.failed().as_secs();
                tracing::error!(%error, pause_s, "compaction failed, will try again");
            }
        }
    }
}
