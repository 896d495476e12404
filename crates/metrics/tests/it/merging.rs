//! Merging on demand.

use blocks::faults::FaultyDisk;
use metrics::StoreOptions;

use crate::support::{NOW, append_one, clock, labels, open_at, options, read_one};

const HOUR: i64 = 3_600_000;

#[test]
fn a_merge_on_demand_leaves_nothing_to_do() {
    let disk = FaultyDisk::new(1);
    let clock = clock();
    let options = StoreOptions { retention_ms: 100 * 24 * HOUR, ..options() };
    let (store, _) = open_at(&disk, options, clock.clone());
    let up = labels("up", "a");
    let mut written = Vec::new();
    for round in 0..60 {
        let time = NOW + round * 2 * HOUR;
        clock.advance_ms(2 * HOUR);
        append_one(&store, &up, time, round as f64);
        written.push((time, round as f64));
        store.flush().unwrap();
    }
    assert!(!store.pending(100).merges.is_empty());
    store.merge_now().unwrap();
    assert!(store.pending(100).merges.is_empty(), "{:?}", store.pending(100));
    // Four days in one block, then one a day, one for eight hours, one for two.
    let blocks = store.blocks();
    assert!(blocks.len() <= 12 && blocks.iter().all(|block| block.level > 0), "{blocks:?}");
    assert!(blocks.iter().any(|block| block.level == 4), "{blocks:?}");
    assert_eq!(read_one(&store, &up), written);
    store.merge_now().unwrap();
    assert_eq!(store.blocks(), blocks, "nothing is merged twice");
}
