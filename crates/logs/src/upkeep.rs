//! Threads that look from time to time whether something is due.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
struct Call {
    wake: bool,
    stop: bool,
}

/// Tells a thread to look now, or to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signal(Arc<(Mutex<Call>, Condvar)>);

impl Signal {
    /// Asks the thread to look now.
    pub(crate) fn wake(&self) {
        self.0.0.lock().wake = true;
        self.0.1.notify_one();
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.0.0.lock().stop = true;
        self.0.1.notify_one();
    }

    /// Waits for a call or so long; answers false where it is time to stop.
    fn wait(&self, tick: Duration) -> bool {
        let mut call = self.0.0.lock();
        if !call.stop && !call.wake {
            self.0.1.wait_for(&mut call, tick);
        }
        call.wake = false;
        !call.stop
    }
}

/// A thread that calls `look` at every tick until that answers false or it is told to stop.
#[derive(Debug)]
pub(crate) struct Worker {
    signal: Signal,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(
        name: &str,
        tick: Duration,
        signal: Signal,
        mut look: impl FnMut() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let its_signal = signal.clone();
        let run = move || while its_signal.wait(tick) && look() {};
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Worker { signal, thread: Some(thread) })
    }

    /// Returns once the thread is gone.
    pub(crate) fn stop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("a thread of the log store panicked");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}
