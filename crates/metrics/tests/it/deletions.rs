//! What was deleted may be sent again.

use blocks::faults::FaultyDisk;
use model::{Matcher, RejectReason, Sample, Tenant, TimeRange, Timestamp, WriteBatch};

use crate::support::{NOW, append, append_one, labels, open, options, read_one};

#[test]
fn a_deleted_newest_sample_is_taken_again() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let up = labels("up", "a");
    let name = [Matcher::equal("__name__", "up")];
    for t in [NOW, NOW + 1000] {
        append_one(&store, &up, t, 1.0);
    }
    store.delete(&Tenant::default(), &name, TimeRange::new(NOW + 1000, i64::MAX)).unwrap();
    assert_eq!(read_one(&store, &up), [(NOW, 1.0)]);
    // A time within the range comes first, the one that was the newest later.
    for t in [NOW + 999, NOW + 1000] {
        assert!(append_one(&store, &up, t, 1.0).rejected.is_empty());
    }
    let all = [(NOW, 1.0), (NOW + 999, 1.0), (NOW + 1000, 1.0)];
    assert_eq!(read_one(&store, &up), all);
    // It is the newest again, and another value is a conflict again.
    let mut batch = WriteBatch::default();
    batch.push(up.clone(), None, Sample::float(Timestamp(NOW + 1000), 2.0));
    assert_eq!(append(&store, batch).unwrap().rejected[0].reason, RejectReason::DuplicateTimestamp);
    drop(store);
    let (store, _) = open(&disk, options());
    assert_eq!(read_one(&store, &up), all);
    store.flush().unwrap();
    store.delete(&Tenant::default(), &name, TimeRange::ALL).unwrap();
    assert!(append_one(&store, &up, NOW, 5.0).rejected.is_empty());
    assert_eq!(read_one(&store, &up), [(NOW, 5.0)]);
}

#[test]
fn what_lies_before_the_deletion_stays_as_it_was() {
    let disk = FaultyDisk::new(1);
    let (store, _) = open(&disk, options());
    let up = labels("up", "a");
    for t in [NOW, NOW + 1] {
        append_one(&store, &up, t, 1.0);
    }
    store.delete(&Tenant::default(), &[], TimeRange::new(NOW + 1, i64::MAX)).unwrap();
    // The store does not know any more what the newest one was; what was written first wins when it is read.
    assert!(append_one(&store, &up, NOW, 7.0).rejected.is_empty());
    assert_eq!(read_one(&store, &up), [(NOW, 1.0)]);
    store.flush().unwrap();
    assert_eq!(read_one(&store, &up), [(NOW, 1.0)]);
}
