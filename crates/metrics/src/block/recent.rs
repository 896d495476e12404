//! What a thread used last of the blocks that it reads: neighbouring rows need the same pages again and again.
//!
//! Only weak references are kept, so nothing stays in memory that the cache has dropped.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::cache::Key;

const SLOTS: usize = 256;

struct Recent {
    key: Key,
    value: Weak<dyn Any + Send + Sync>,
}

thread_local! {
    static RECENT: RefCell<[Option<Recent>; SLOTS]> = const { RefCell::new([const { None }; SLOTS]) };
}

/// Pages of one column follow each other in one slot; columns and blocks lie in different ones.
fn slot(key: &Key) -> usize {
    let column = key.block << 20 ^ u64::from(key.column) << 2 ^ key.kind as u64;
    (column.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize % SLOTS
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
