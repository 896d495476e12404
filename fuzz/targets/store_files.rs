//! The files of a metric store: log, head's own file, catalogue and its copy, blocks. Some bytes of one of them are changed; the
//! store starts all the same and answers.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use blocks::disk::Disk;
use blocks::faults::FaultyDisk;
use libfuzzer_sys::fuzz_target;
use metrics::{Store, StoreOptions};
use model::{
    Labels, ManualClock, Sample, SampleBuffer, SampleSink, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp,
    WriteBatch,
};

const NOW: i64 = 1_700_000_000_000;

fn open(disk: &FaultyDisk) -> Arc<Store> {
    let options = StoreOptions { background: false, shards: Some(2), ..StoreOptions::default() };
    let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
    Store::open_on(Arc::new(disk.clone()), Path::new("/store"), options, clock).expect("a start never fails").0
}

/// The files of a store that was flushed twice and then wrote on.
fn files() -> &'static [(PathBuf, Vec<u8>)] {
    static FILES: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let disk = FaultyDisk::new(1);
        let store = open(&disk);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for round in 0..30 {
            let mut batch = WriteBatch::default();
            for series in 0..5 {
                let labels = Labels::from_pairs([("__name__", "m"), ("n", &series.to_string())]);
                let time = Timestamp(NOW - 600_000 + round * 15_000);
                batch.push(labels, None, Sample::float(time, (round * series) as f64 / 10.0));
            }
            runtime.block_on(store.append(batch)).expect("the disk is whole");
            if round % 10 == 9 && round < 25 {
                store.flush().expect("the disk is whole");
            }
        }
        drop(store);
        let read = |(path, _): (PathBuf, u64)| disk.read(&path).ok().map(|bytes| (path, bytes));
        disk.files().into_iter().filter_map(read).collect()
    })
}

fuzz_target!(|data: &[u8]| {
    let [file, low, high, change @ ..] = data else { return };
    let disk = FaultyDisk::new(1);
    let chosen = usize::from(*file) % files().len();
    for (at, (path, bytes)) in files().iter().enumerate() {
        let mut bytes = bytes.clone();
        if at == chosen && !bytes.is_empty() {
            let begin = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
            bytes[begin..].iter_mut().zip(change).for_each(|(byte, change)| *byte ^= change);
        }
        disk.create_dir_all(path.parent().expect("files lie in directories")).expect("the disk is whole");
        disk.replace(path, &bytes).expect("the disk is whole");
    }
    let store = open(&disk);
    let tenant = Tenant::default();
    let request =
        SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
    let Ok(set) = store.select(&request) else { return };
    for index in 0..set.len() {
        let mut samples = SampleBuffer::default();
        if set.read(index, TimeRange::ALL, &mut samples).is_ok() {
            assert!(samples.timestamps.is_sorted_by(|a, b| a < b));
        }
        set.labels(index);
    }
});
