//! A store of files that fails on demand, for tests that replay outages from their seeds.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::disk::ReadFile;
use crate::faults::FaultyDisk;
use crate::files::{FileInfo, FileStore};

/// What may go wrong, each as a chance in a thousand operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFaults {
    /// An operation fails and changes nothing.
    pub failed: u32,
    /// An operation that changes something is done, but answers an error.
    pub lost_answer: u32,
    /// An operation waits before it starts.
    pub delayed: u32,
    /// How long such an operation waits.
    pub delay: Duration,
    /// Nothing answers: every operation fails.
    pub down: bool,
}

/// Another store with faults that follow from a seed. Clones share them.
#[derive(Clone, Debug)]
pub struct FaultyFiles {
    inner: Arc<dyn FileStore>,
    state: Arc<Mutex<State>>,
    /// Nothing is sent any more once the power of this machine is off.
    machine: Option<FaultyDisk>,
}

#[derive(Debug)]
struct State {
    faults: FileFaults,
    random: u64,
    operations: u64,
}

impl State {
    fn strikes(&mut self, rate: u32) -> bool {
        // xorshift64*, the same on every machine.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % 1000 < u64::from(rate)
    }
}

fn injected(what: &str) -> io::Error {
    io::Error::other(format!("injected fault: {what}"))
}

impl FaultyFiles {
    /// A store without faults yet.
    pub fn new(inner: Arc<dyn FileStore>, seed: u64) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        FaultyFiles {
            inner,
            state: Arc::new(Mutex::new(State { faults: FileFaults::default(), random, operations: 0 })),
            machine: None,
        }
    }

    /// Lets the power of a machine's disk count for what is sent from it, too.
    #[must_use]
    pub fn on(mut self, machine: &FaultyDisk) -> Self {
        self.machine = Some(machine.clone());
        self
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: FileFaults) {
        self.state.lock().faults = faults;
    }

    /// How many operations were tried.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    fn before(&self, what: &str) -> io::Result<()> {
        self.machine.as_ref().map_or(Ok(()), FaultyDisk::power)?;
        let mut state = self.state.lock();
        state.operations += 1;
        let faults = state.faults;
        if state.strikes(faults.delayed) {
            drop(state);
            // Nobody notifies: the wait ends by its time.
            Condvar::new().wait_for(&mut Mutex::new(()).lock(), faults.delay);
            state = self.state.lock();
        }
        if faults.down || state.strikes(faults.failed) { Err(injected(what)) } else { Ok(()) }
    }

    fn change(&self, what: &str, operation: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.before(what)?;
        operation()?;
        // What was sent has its effect, though nobody may be left to hear of it.
        self.machine.as_ref().map_or(Ok(()), FaultyDisk::power)?;
        let mut state = self.state.lock();
        let rate = state.faults.lost_answer;
        if state.strikes(rate) { Err(injected("the answer was lost")) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct FaultyRead {
    inner: Arc<dyn ReadFile>,
    files: FaultyFiles,
}

impl ReadFile for FaultyRead {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.files.before("read")?;
        self.inner.read_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

impl FileStore for FaultyFiles {
    fn put(&self, name: &str, local: &Path) -> io::Result<()> {
        self.change("put", || self.inner.put(name, local))
    }

    fn put_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change("put", || self.inner.put_bytes(name, bytes))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn ReadFile>> {
        self.before("open")?;
        Ok(Arc::new(FaultyRead { inner: self.inner.open(name)?, files: self.clone() }))
    }

    fn open_listed(&self, name: &str, length: u64) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(FaultyRead { inner: self.inner.open_listed(name, length)?, files: self.clone() }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change("remove", || self.inner.remove(name))
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        self.before("list")?;
        self.inner.list()
    }

    fn copy_out(&self, name: &str, to: &Path) -> io::Result<()> {
        self.change("copy", || self.inner.copy_out(name, to))
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn is_remote(&self) -> bool {
        self.inner.is_remote()
    }
}
