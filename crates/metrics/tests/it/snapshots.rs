//! A snapshot has everything that its store has.

use std::path::Path;
use std::sync::Arc;

use blocks::faults::FaultyDisk;
use metrics::Store;
use model::{Exemplar, ExemplarRow, Labels, Tenant, TimeRange, Timestamp, WriteBatch};

use crate::support::{NOW, append, append_one, clock, labels, open, options, read_one};

#[test]
fn exemplars_that_no_block_holds_are_in_the_snapshot() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let (up, hits) = (labels("up", "a"), labels("hits", "a"));
    for series in [&up, &hits] {
        append_one(&store, series, NOW, 1.0);
    }
    store.flush().unwrap();
    // The series has no sample in the next flush, so no block takes it.
    let trace = Labels::from_pairs([("trace_id", "1")]);
    let exemplar = Exemplar { labels: trace, value: 1.0, timestamp: Some(Timestamp(NOW + 1)) };
    let row = ExemplarRow { labels: hits.clone(), hint: None, exemplars: vec![exemplar.clone()] };
    append(&store, WriteBatch { exemplars: vec![row], ..WriteBatch::default() }).unwrap();
    store.flush().unwrap();
    store.snapshot(Path::new("/copy"), false).unwrap();
    let (copy, report) = Store::open_on(Arc::new(disk), Path::new("/copy"), options(), clock()).unwrap();
    assert!(!report.found_damage(), "{report:?}");
    let found = copy.exemplars(&Tenant::default(), &[], TimeRange::ALL).unwrap();
    assert_eq!((found[0].labels.clone(), &found[0].exemplars[..]), (hits.clone(), &[exemplar][..]));
    assert_eq!((read_one(&copy, &up), read_one(&copy, &hits)), (vec![(NOW, 1.0)], vec![(NOW, 1.0)]));
    // It is a store like any other.
    append_one(&copy, &hits, NOW + 2, 2.0);
    assert_eq!(read_one(&copy, &hits), [(NOW, 1.0), (NOW + 2, 2.0)]);
}
