//! A disk in memory that fails on demand, for tests that replay thousands of crashes from their seeds.
//!
//! The model is the pessimistic one: after a crash a file holds what was synced plus a random part of what was written
//! since, names hold what was synced with their directory plus a random prefix of the operations since, and after a failed
//! sync the unsynced bytes are lost for good although they can still be read until the crash.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::disk::{Disk, ReadFile, WriteFile};

/// What may go wrong, each as a chance in a thousand operations.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultRates {
    /// A write stops in the middle with an error.
    pub torn_write: u32,
    /// A sync fails and its bytes are lost at the next crash.
    pub failed_sync: u32,
    /// Creating, renaming or syncing a directory fails.
    pub failed_name: u32,
    /// Opening or reading a file fails, and may succeed the next time.
    pub failed_read: u32,
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: usize,
    poisoned: bool,
}

type InodeRef = Arc<Mutex<Inode>>;

#[derive(Clone, Debug)]
enum NameOp {
    Link(PathBuf, InodeRef),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, InodeRef>,
    durable_names: BTreeMap<PathBuf, InodeRef>,
    pending: Vec<NameOp>,
    rates: FaultRates,
    space_left: Option<u64>,
    random: u64,
    generation: u64,
    /// Operations until the power goes.
    power_left: Option<u64>,
    /// How long a sync takes.
    sync_takes: Duration,
}

/// The failing disk. Clones share the same files.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl State {
    // xorshift64*: enough randomness for faults, and the same on every machine.
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() >> 16) as usize % bound }
    }

    fn strikes(&mut self, rate: u32) -> bool {
        rate > 0 && self.below(1000) < rate as usize
    }

    /// Counts an operation; nothing is done any more once the power is off.
    fn power(&mut self) -> io::Result<()> {
        match &mut self.power_left {
            Some(0) => Err(injected("the power is off")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn name_fault(&mut self) -> io::Result<()> {
        self.power()?;
        let rate = self.rates.failed_name;
        if self.strikes(rate) { Err(injected("operation on a name")) } else { Ok(()) }
    }

    fn read_fault(&mut self) -> io::Result<()> {
        self.power()?;
        let rate = self.rates.failed_read;
        if self.strikes(rate) { Err(injected("read")) } else { Ok(()) }
    }
}

fn apply(names: &mut BTreeMap<PathBuf, InodeRef>, op: NameOp) {
    match op {
        NameOp::Link(path, inode) => {
            names.insert(path, inode);
        }
        NameOp::Rename(from, to) => {
            if let Some(inode) = names.remove(&from) {
                names.insert(to, inode);
            }
        }
        NameOp::Remove(path) => {
            names.remove(&path);
        }
    }
}

fn injected(what: &str) -> io::Error {
    io::Error::other(format!("injected fault: {what}"))
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

impl FaultyDisk {
    /// An empty disk whose faults follow from the seed.
    pub fn new(seed: u64) -> Self {
        let disk = FaultyDisk::default();
        disk.0.lock().random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        disk
    }

    /// Sets what goes wrong from now on.
    pub fn set_rates(&self, rates: FaultRates) {
        self.0.lock().rates = rates;
    }

    /// Lets every sync take so long from now on, as on a slow disk.
    pub fn set_sync_time(&self, time: Duration) {
        self.0.lock().sync_takes = time;
    }

    /// Leaves room for so many bytes; `None` for a disk without end.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.0.lock().space_left = bytes;
    }

    /// Lets the power go after so many more operations: everything fails from then on, until [`FaultyDisk::crash`].
    pub fn set_power(&self, operations: Option<u64>) {
        self.0.lock().power_left = operations;
    }

    /// True where the power has gone.
    pub fn is_off(&self) -> bool {
        self.0.lock().power_left == Some(0)
    }

    /// Counts an operation of something else that the same power feeds.
    pub fn power(&self) -> io::Result<()> {
        self.0.lock().power()
    }

    /// All files, with their lengths.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.0.lock();
        state.names.iter().map(|(path, inode)| (path.clone(), inode.lock().bytes.len() as u64)).collect()
    }

    /// Cuts the power: forgets a random part of what was not synced. Open files write into the void afterwards. The power
    /// is back when it answers.
    pub fn crash(&self) {
        let mut state = self.0.lock();
        state.generation += 1;
        state.power_left = None;
        let pending = std::mem::take(&mut state.pending);
        let kept = state.below(pending.len() + 1);
        for op in pending.into_iter().take(kept) {
            apply(&mut state.durable_names, op);
        }
        let mut survivors = BTreeMap::new();
        for (path, inode) in std::mem::take(&mut state.durable_names) {
            let inode = inode.lock();
            let unsynced = inode.bytes.len() - inode.synced;
            let extra = if inode.poisoned { 0 } else { state.below(unsynced + 1) };
            let length = inode.synced + extra;
            let fresh = Inode { bytes: inode.bytes[..length].to_vec(), synced: length, poisoned: false };
            survivors.insert(path, Arc::new(Mutex::new(fresh)));
        }
        state.durable_names = survivors.clone();
        state.names = survivors;
    }

    /// Flips one random bit of a file whose name ends so, chosen at random; answers which file.
    pub fn corrupt(&self, suffix: &str) -> Option<PathBuf> {
        let mut state = self.0.lock();
        let candidates: Vec<PathBuf> = state
            .names
            .iter()
            .filter(|(path, inode)| path.to_string_lossy().ends_with(suffix) && !inode.lock().bytes.is_empty())
            .map(|(path, _)| path.clone())
            .collect();
        if candidates.is_empty() {
            return None;
        }
        let path = candidates[state.below(candidates.len())].clone();
        let inode = state.names[&path].clone();
        let length = inode.lock().bytes.len();
        let at = state.below(length);
        let bit = state.below(8);
        inode.lock().bytes[at] ^= 1 << bit;
        Some(path)
    }
}

struct FaultyFile {
    disk: Arc<Mutex<State>>,
    inode: InodeRef,
    generation: u64,
}

impl WriteFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.generation != self.generation {
            return Err(injected("the power is off"));
        }
        state.power()?;
        if let Some(space) = state.space_left {
            let fits = (bytes.len() as u64).min(space);
            state.space_left = Some(space - fits);
            self.inode.lock().bytes.extend_from_slice(&bytes[..fits as usize]);
            return if fits == bytes.len() as u64 { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) };
        }
        let rate = state.rates.torn_write;
        if state.strikes(rate) {
            let part = state.below(bytes.len() + 1);
            self.inode.lock().bytes.extend_from_slice(&bytes[..part]);
            return Err(injected("torn write"));
        }
        self.inode.lock().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let takes = self.disk.lock().sync_takes;
        if !takes.is_zero() {
            std::thread::park_timeout(takes);
        }
        let mut state = self.disk.lock();
        if state.generation != self.generation {
            return Err(injected("the power is off"));
        }
        state.power()?;
        let rate = state.rates.failed_sync;
        let fails = state.strikes(rate);
        let mut inode = self.inode.lock();
        if fails {
            inode.poisoned = true;
            return Err(injected("sync"));
        }
        if !inode.poisoned {
            inode.synced = inode.bytes.len();
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyRead {
    disk: Arc<Mutex<State>>,
    inode: InodeRef,
}

impl ReadFile for FaultyRead {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.lock().read_fault()?;
        let inode = self.inode.lock();
        let end = offset as usize + buffer.len();
        let slice = inode.bytes.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(slice);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.lock().bytes.len() as u64)
    }
}

impl FaultyDisk {
    fn make(&self, path: &Path, keep: bool) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.0.lock();
        state.name_fault()?;
        let known = if keep { state.names.get(path).cloned() } else { None };
        let inode = known.unwrap_or_else(|| {
            let inode = InodeRef::default();
            state.names.insert(path.to_owned(), inode.clone());
            state.pending.push(NameOp::Link(path.to_owned(), inode.clone()));
            inode
        });
        Ok(Box::new(FaultyFile { disk: self.0.clone(), inode, generation: state.generation }))
    }
}

impl Disk for FaultyDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.power()?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.make(path, false)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.make(path, true)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        let mut state = self.0.lock();
        state.read_fault()?;
        let inode = state.names.get(path).ok_or_else(|| missing(path))?.clone();
        Ok(Arc::new(FaultyRead { disk: self.0.clone(), inode }))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.power()?;
        let mut inode = state.names.get(path).ok_or_else(|| missing(path))?.lock();
        inode.bytes.truncate(length as usize);
        inode.synced = inode.synced.min(length as usize);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.name_fault()?;
        if !state.names.contains_key(from) {
            return Err(missing(from));
        }
        let op = NameOp::Rename(from.to_owned(), to.to_owned());
        state.pending.push(op.clone());
        apply(&mut state.names, op);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.name_fault()?;
        if state.names.contains_key(to) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists", to.display())));
        }
        let inode = state.names.get(from).ok_or_else(|| missing(from))?.clone();
        let op = NameOp::Link(to.to_owned(), inode);
        state.pending.push(op.clone());
        apply(&mut state.names, op);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.name_fault()?;
        if !state.names.contains_key(path) {
            return Err(missing(path));
        }
        let op = NameOp::Remove(path.to_owned());
        state.pending.push(op.clone());
        apply(&mut state.names, op);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.name_fault()?;
        state.pending.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }
}
