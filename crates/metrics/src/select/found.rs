//! What matches in the head and in each block.

use std::sync::Arc;

use model::{Held, Matcher, SourceError, Tenant, TimeRange};
use parking_lot::RwLock;
use roaring::RoaringBitmap;

use super::Reader;
use crate::block::{Block, SeriesHash};
use crate::shelf::Grave;

/// What a series of the head takes in a list that grows by doubling.
const HEAD_SERIES_BYTES: usize = 2 * size_of::<HeadSeries>();
/// What a row takes: its number, its hash while it is joined, and its place among the sources of its series.
const ROW_BYTES: usize = 48;

/// A series of the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadSeries {
    pub(super) identity: SeriesHash,
    pub(super) slot: u32,
    pub(super) id: u64,
}

/// Rows of a block that match.
#[derive(Debug)]
pub(super) struct BlockRows {
    pub(super) block: Arc<Block>,
    /// Sorted.
    pub(super) rows: Vec<u32>,
    /// Samples of theirs that count as deleted.
    pub(super) graves: Vec<GraveRows>,
}

/// Samples that count as deleted.
#[derive(Debug)]
pub(super) struct GraveRows {
    pub(super) range: TimeRange,
    /// Sorted.
    pub(super) rows: Vec<u32>,
}

/// Series of the head that match all matchers of a set and have samples in memory that may lie in the range.
pub(super) fn in_head(
    reader: &Reader,
    sets: &[&[Matcher]],
    range: TimeRange,
    held: &mut Held,
) -> Result<Vec<HeadSeries>, SourceError> {
    let Some(head) = &reader.head else { return Ok(Vec::new()) };
    let mut slots = RoaringBitmap::new();
    for set in sets {
        slots |= head.index.read().matching(set);
    }
    held.add(slots.len() as usize * HEAD_SERIES_BYTES)?;
    let shards: Vec<_> = head.shards.iter().map(RwLock::read).collect();
    let series = |slot: u32| {
        let series = shards[head.shard_of_slot(slot)].get(head.local(slot)).filter(|s| s.overlaps(range))?;
        Some(HeadSeries { identity: series.identity(), slot, id: series.id })
    };
    Ok(slots.iter().filter_map(series).collect())
}

/// Rows of blocks that match all matchers of a set and may have samples in the range; blocks without any are left out.
pub(super) fn in_blocks(
    reader: &Reader,
    tenant: &Tenant,
    sets: &[&[Matcher]],
    range: TimeRange,
    held: &mut Held,
) -> Result<Vec<BlockRows>, SourceError> {
    let mut found = Vec::new();
    for block in reader.view.of(tenant, range) {
        // How many rows match is known when they are listed.
        let mut list = held.clone_empty();
        list.add(block.entry().rows as usize * size_of::<u32>() * 2)?;
        if let Some(rows) = in_block(reader, block, sets, range)?
            && !rows.rows.is_empty()
        {
            held.add(rows.rows.len() * ROW_BYTES)?;
            found.push(rows);
        }
    }
    Ok(found)
}

/// `None` where the block is damaged.
pub(super) fn in_block(
    reader: &Reader,
    block: &Arc<Block>,
    sets: &[&[Matcher]],
    range: TimeRange,
) -> Result<Option<BlockRows>, SourceError> {
    let mut rows: Vec<u32> = Vec::new();
    for set in sets {
        let Some(matching) = reader.sound(block, block.matching(set, range))? else { return Ok(None) };
        if rows.is_empty() {
            rows = matching;
        } else {
            rows.extend(matching);
            rows.sort_unstable();
            rows.dedup();
        }
    }
    let mut graves = Vec::new();
    for grave in reader.view.graves_of(block) {
        let Some(grave) = reader.sound(block, bury(block, grave, &mut rows))? else { return Ok(None) };
        graves.push(grave);
    }
    Ok(Some(BlockRows { block: block.clone(), rows, graves }))
}

/// Takes rows out that count as deleted altogether; answers those that may be deleted in part.
fn bury(block: &Block, grave: &Grave, rows: &mut Vec<u32>) -> std::io::Result<GraveRows> {
    let range = grave.tombstone.range;
    let mut concerned = Vec::new();
    let mut whole = Vec::new();
    for row in block.matching(&grave.matchers, range)? {
        if rows.binary_search(&row).is_err() {
            continue;
        }
        let times = block.times(row)?;
        if range.start <= times.start && times.end <= range.end {
            whole.push(row);
        } else {
            concerned.push(row);
        }
    }
    rows.retain(|row| whole.binary_search(row).is_err());
    Ok(GraveRows { range, rows: concerned })
}
