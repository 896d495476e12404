//! Deletion by matcher: a tombstone hides samples at once; compaction frees their space.

use std::io;

use blocks::catalogue::{StoredMatcher, Tombstone};
use model::{Matcher, Tenant, TimeRange};

use crate::shelf::Shelf;

/// Hides what all blocks of now hold of the series that all matchers match, in `range`. Durable when it answers. The caller has
/// flushed the head before, if what is in it is to go too, and flushes nothing meanwhile.
pub(crate) fn bury(shelf: &Shelf, tenant: &Tenant, matchers: &[Matcher], range: TimeRange) -> io::Result<()> {
    let id = shelf.reserve_id();
    let tombstone = Tombstone {
        id,
        tenant: tenant.clone(),
        matchers: matchers.iter().map(StoredMatcher::from).collect(),
        range,
        newest_block: id,
    };
    shelf.commit(Vec::new(), &[], |manifest| {
        if manifest.blocks.iter().chain(&manifest.missing).any(|block| tombstone.concerns(block)) {
            manifest.tombstones.push(tombstone);
        }
    })
}
