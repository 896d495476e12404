//! Which blocks are past their time, or too many.

use model::Timestamp;

use crate::catalogue::BlockEntry;

/// How long and how much to keep. Both bounds hold where both are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// A block goes when its last sample is older than this many milliseconds. Where rules keep some series longer, this
    /// must be the longest.
    pub time_ms: Option<i64>,
    /// The oldest blocks go until the rest have at most so many bytes together.
    pub bytes: Option<u64>,
}

/// Ids of the blocks to drop, the oldest first. Old is what ends early, as in Prometheus.
pub fn expired(entries: &[BlockEntry], now: Timestamp, retention: &Retention) -> Vec<u64> {
    let mut oldest_first: Vec<&BlockEntry> = entries.iter().collect();
    oldest_first.sort_unstable_by_key(|block| (block.range.end, block.id));
    let first_kept = retention.time_ms.map_or(i64::MIN, |time| now.ms().saturating_sub(time));
    let mut excess = retention.bytes.map_or(0, |bytes| {
        let total: u64 = entries.iter().map(|block| block.bytes).sum();
        total.saturating_sub(bytes)
    });
    let mut gone = Vec::new();
    for block in oldest_first {
        if block.range.end.ms() >= first_kept && excess == 0 {
            break;
        }
        excess = excess.saturating_sub(block.bytes);
        gone.push(block.id);
    }
    gone
}

#[cfg(test)]
mod tests {
    use model::{Tenant, TimeRange};

    use super::*;

    fn block(id: u64, end: i64, bytes: u64) -> BlockEntry {
        let mut entry = BlockEntry::new(id, Tenant::default(), 0, Timestamp(0));
        entry.range = TimeRange::new(end - 10, end);
        entry.bytes = bytes;
        entry
    }

    #[test]
    fn the_oldest_go_first() {
        let blocks = [block(1, 300, 10), block(2, 100, 10), block(3, 200, 10)];
        let cases: [(Option<i64>, Option<u64>, &[u64]); 8] = [
            (None, None, &[]),
            (Some(700), None, &[2, 3]), // a last sample at 1000 - 700 = 300 is kept
            (Some(900), None, &[]),
            (Some(800), None, &[2]),
            (None, Some(30), &[]),
            (None, Some(29), &[2]),
            (None, Some(0), &[2, 3, 1]),
            (Some(800), Some(10), &[2, 3]),
        ];
        for (time_ms, bytes, gone) in cases {
            let retention = Retention { time_ms, bytes };
            assert_eq!(expired(&blocks, Timestamp(1000), &retention), gone, "{retention:?}");
        }
    }
}
