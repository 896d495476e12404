//! Who has been reading since when.
//!
//! A reader pins the present epoch before it looks at anything. Maintenance that takes something away does so in two steps:
//! it makes the thing unreachable for new readers and begins a new epoch; then, once nobody is left who began before that,
//! it lets go of the thing. So no reader waits, and no reader holds up a writer.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Debug)]
struct State {
    now: u64,
    /// Readers by the epoch in which they began.
    readers: BTreeMap<u64, usize>,
}

/// The epochs of a store.
#[derive(Debug)]
pub(crate) struct Epochs(Mutex<State>);

impl Default for Epochs {
    fn default() -> Self {
        Epochs(Mutex::new(State { now: 1, readers: BTreeMap::new() }))
    }
}

impl Epochs {
    /// Registers a reader.
    pub(crate) fn pin(self: &Arc<Self>) -> Pin {
        let mut state = self.0.lock();
        let epoch = state.now;
        *state.readers.entry(epoch).or_default() += 1;
        Pin { epochs: self.clone(), epoch }
    }

    /// The epoch that [`Epochs::advance`] will begin. Only one thread, that of the maintenance, advances.
    pub(crate) fn next(&self) -> u64 {
        self.0.lock().now + 1
    }

    /// Begins a new epoch and answers it.
    pub(crate) fn advance(&self) -> u64 {
        let mut state = self.0.lock();
        state.now += 1;
        state.now
    }

    /// True where every reader began in `epoch` or later.
    pub(crate) fn reached(&self, epoch: u64) -> bool {
        self.0.lock().readers.first_key_value().is_none_or(|(oldest, _)| *oldest >= epoch)
    }
}

/// A reader. What it saw stays until it is dropped.
#[derive(Debug)]
pub(crate) struct Pin {
    epochs: Arc<Epochs>,
    /// When it began.
    pub(crate) epoch: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.epochs.0.lock();
        if let Some(count) = state.readers.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                state.readers.remove(&self.epoch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_reached_when_older_readers_are_gone() {
        let epochs: Arc<Epochs> = Arc::default();
        let (first, second) = (epochs.pin(), epochs.pin());
        let next = epochs.next();
        assert_eq!(epochs.advance(), next);
        let young = epochs.pin();
        assert!(!epochs.reached(next));
        drop(first);
        assert!(!epochs.reached(next));
        drop(second);
        assert!(epochs.reached(next) && !epochs.reached(next + 1));
        drop(young);
        assert!(epochs.reached(u64::MAX));
    }
}
