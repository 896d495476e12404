//! What a thread used last of the blocks that it reads: neighbouring rows need the same pages again and again.
//!
//! Only weak references are kept, so nothing stays in memory that the cache has dropped.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::cache::Key;

const SLOTS: usize = 32;

struct Recent {
    key: Key,
    value: Weak<dyn Any + Send + Sync>,
}

thread_local! {
    static RECENT: RefCell<[Option<Recent>; SLOTS]> = const { RefCell::new([const { None }; SLOTS]) };
}

/// Pages of one column follow each other in one slot, columns lie in different ones.
fn slot(key: &Key) -> usize {
    (key.column as usize * 4 + key.kind as usize) % SLOTS
}

/// The value of a key if this thread used it last of its slot and it still lives.
pub(super) fn find<T: Send + Sync + 'static>(key: &Key) -> Option<Arc<T>> {
    RECENT.with_borrow(|recent| {
        let found = recent[slot(key)].as_ref().filter(|recent| recent.key == *key)?;
        found.value.upgrade()?.downcast().ok()
    })
}

/// Keeps a value in mind.
pub(super) fn remember<T: Send + Sync + 'static>(key: Key, value: &Arc<T>) {
    let value: Arc<dyn Any + Send + Sync> = value.clone();
    let value = Arc::downgrade(&value);
    RECENT.with_borrow_mut(|recent| recent[slot(&key)] = Some(Recent { key, value }));
}
