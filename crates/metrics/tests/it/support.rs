//! A store on a disk in memory, and the few words that the tests speak.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use blocks::faults::FaultyDisk;
use metrics::{RecoveryReport, Store, StoreOptions};
use model::{
    AppendError, AppendReport, Labels, ManualClock, Matcher, Sample, SampleBuffer, SampleSink, SelectRequest,
    SeriesSet, SeriesSource, Tenant, TimeRange, Timestamp, WriteBatch,
};

pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) fn options() -> StoreOptions {
    StoreOptions { background: false, shards: Some(2), ..StoreOptions::default() }
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp(NOW)))
}

pub(crate) fn open(disk: &FaultyDisk, options: StoreOptions) -> (Arc<Store>, RecoveryReport) {
    open_at(disk, options, clock())
}

pub(crate) fn open_at(
    disk: &FaultyDisk,
    options: StoreOptions,
    clock: Arc<ManualClock>,
) -> (Arc<Store>, RecoveryReport) {
    Store::open_on(Arc::new(disk.clone()), Path::new("/data"), options, clock).unwrap()
}

pub(crate) fn labels(name: &str, instance: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("instance", instance), ("job", "test")])
}

pub(crate) fn append(store: &Store, batch: WriteBatch) -> Result<AppendReport, AppendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.append(batch))
}

pub(crate) fn append_one(store: &Store, labels: &Labels, time: i64, value: f64) -> AppendReport {
    let mut batch = WriteBatch::default();
    batch.push(labels.clone(), None, Sample::float(Timestamp(time), value));
    append(store, batch).unwrap()
}

/// Every sample of every series that matches.
pub(crate) fn read_all(store: &Store, matchers: &[Matcher], range: TimeRange) -> BTreeMap<Labels, SampleBuffer> {
    let tenant = Tenant::default();
    let set =
        store.select(&SelectRequest { tenant: &tenant, matchers, range, projection: None, memory: None }).unwrap();
    let found = read_set(&*set, range);
    assert!(set.warnings().is_empty(), "{:?}", set.warnings());
    found
}

/// Every sample of every series of a selection.
pub(crate) fn read_set(set: &dyn SeriesSet, range: TimeRange) -> BTreeMap<Labels, SampleBuffer> {
    let mut found = BTreeMap::new();
    for index in 0..set.len() {
        let mut samples = SampleBuffer::default();
        set.read(index, range, &mut samples).unwrap();
        let mut newest = SampleBuffer::default();
        set.read_newest(index, range, &mut newest).unwrap();
        let mut again = SampleBuffer::default();
        set.read(index, range, &mut again).unwrap();
        // Others may be writing.
        if last(&again) == last(&samples) {
            assert_eq!(last(&newest), last(&samples), "the newest sample of {:?}", set.labels(index));
        }
        assert!(samples.timestamps.is_sorted_by(|a, b| a < b), "samples in order");
        assert!(found.insert(set.labels(index), samples).is_none(), "each label set once");
    }
    found
}

pub(crate) fn read_one(store: &Store, labels: &Labels) -> Vec<(i64, f64)> {
    let matchers: Vec<Matcher> = labels.iter().map(|l| Matcher::equal(l.name, l.value)).collect();
    let found = read_all(store, &matchers, TimeRange::ALL);
    let samples = found.get(labels).cloned().unwrap_or_default();
    samples.timestamps.iter().copied().zip(samples.values.iter().copied()).collect()
}

/// Time, bits and histogram of the last row.
fn last(samples: &SampleBuffer) -> Option<(i64, u64, Option<String>)> {
    let row = samples.len().checked_sub(1)?;
    let histogram = samples.histogram(row).map(|h| format!("{h:?}"));
    Some((samples.timestamps[row], samples.values[row].to_bits(), histogram))
}
