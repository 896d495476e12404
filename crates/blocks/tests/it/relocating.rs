//! Blocks that move from a disk into a bucket, and those that are looked for in the wrong place.

use std::io;
use std::path::Path;
use std::sync::Arc;

use blocks::catalogue::{BlockEntry, Catalogue, Misplaced, Recovery};
use blocks::disk::Disk;
use blocks::faults::FaultyDisk;
use blocks::files::{FaultyFiles, FileFaults, FileStore, LocalFiles, MemoryFiles};
use model::{Tenant, TimeRange, Timestamp};

const PATH: &str = "m/catalogue.json";

fn open(disk: &FaultyDisk, files: &Arc<dyn FileStore>) -> io::Result<(Catalogue, Recovery)> {
    let read = |name: &str| Ok(serde_json::from_slice(&files.read(name)?)?);
    Catalogue::open(Arc::new(disk.clone()), Path::new(PATH), files.clone(), &read)
}

fn local(disk: &FaultyDisk) -> Arc<dyn FileStore> {
    Arc::new(LocalFiles::new(Arc::new(disk.clone()), "m/blocks").unwrap())
}

/// A bucket, and the same with faults.
fn bucket(disk: &FaultyDisk) -> (FaultyFiles, Arc<dyn FileStore>) {
    let faults = FaultyFiles::new(Arc::new(MemoryFiles::new(Arc::new(disk.clone()))), 1);
    let store: Arc<dyn FileStore> = Arc::new(faults.clone());
    (faults, store)
}

/// Commits blocks whose bytes are their entries.
fn fill(disk: &FaultyDisk, files: &dyn FileStore, catalogue: &Catalogue, count: usize) {
    for _ in 0..count {
        let mut entry = BlockEntry::new(catalogue.reserve_id(), Tenant::default(), 0, Timestamp(5));
        entry.range = TimeRange::new(1, 2);
        let path = Path::new("m/tmp").join(entry.file_name());
        let mut file = disk.create(&path).unwrap();
        file.write_all(&serde_json::to_vec(&entry).unwrap()).unwrap();
        file.sync().unwrap();
        files.put(&entry.file_name(), &path).unwrap();
        catalogue.commit(|manifest| manifest.replace(&[], [entry])).unwrap();
    }
}

fn blocks_in(files: &dyn FileStore) -> usize {
    files.list().unwrap().iter().filter(|file| file.name.ends_with(".parquet")).count()
}

fn refusal(opened: io::Result<(Catalogue, Recovery)>) -> String {
    let error = opened.unwrap_err();
    assert!(error.get_ref().is_some_and(|inner| inner.is::<Misplaced>()), "{error}");
    error.to_string()
}

#[test]
fn blocks_move_into_a_bucket_whenever_the_machine_stops() {
    let mut stops = 0;
    for operations in 0.. {
        let disk = FaultyDisk::new(operations);
        let files = local(&disk);
        fill(&disk, &*files, &open(&disk, &files).unwrap().0, 5);
        let (_, store) = bucket(&disk);
        disk.set_power(Some(operations));
        let finished = open(&disk, &store).is_ok();
        let was_cut = disk.is_off();
        disk.set_power(None);
        if was_cut {
            disk.crash();
            stops += 1;
            assert!(blocks_in(&*store) + blocks_in(&*files) >= 5, "cut after {operations} operations");
        }
        let (catalogue, recovery) = open(&disk, &store).unwrap();
        assert_eq!(catalogue.snapshot().blocks.len(), 5, "cut after {operations} operations: {recovery:?}");
        assert!(recovery.missing.is_empty(), "{recovery:?}");
        assert_eq!((blocks_in(&*store), blocks_in(&*files)), (5, 0), "cut after {operations} operations");
        assert_eq!(catalogue.snapshot().bucket.as_deref(), Some("memory"));
        fill(&disk, &*store, &catalogue, 1);
        assert_eq!(open(&disk, &store).unwrap().0.snapshot().blocks.len(), 6);
        if finished && !was_cut {
            break;
        }
    }
    assert!(stops > 10, "{stops}");
}

#[test]
fn a_bucket_that_fails_leaves_the_blocks_where_they_are() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    fill(&disk, &*files, &open(&disk, &files).unwrap().0, 5);
    let (faults, store) = bucket(&disk);
    faults.set_faults(FileFaults { down: true, ..FileFaults::default() });
    let told = refusal(open(&disk, &store));
    assert!(told.contains("5 blocks still lie in m/blocks") && told.contains("start without --blocks"), "{told}");
    assert_eq!(open(&disk, &files).unwrap().0.snapshot().blocks.len(), 5);
    faults.set_faults(FileFaults::default());
    assert_eq!(open(&disk, &store).unwrap().1.moved, 5);

    // Another store's blocks are not mixed with ours.
    let other = FaultyDisk::new(2);
    let others = local(&other);
    fill(&other, &*others, &open(&other, &others).unwrap().0, 1);
    let told = refusal(open(&other, &store));
    assert!(told.contains("another Afferent"), "{told}");
    let (_, foreign) = bucket(&other);
    foreign.put_bytes("0000000000000001.parquet", b"not ours").unwrap();
    let told = refusal(open(&other, &foreign));
    assert!(told.contains("holds blocks of something else"), "{told}");
    assert_eq!(foreign.read("0000000000000001.parquet").unwrap(), b"not ours");
}

#[test]
fn whoever_names_the_wrong_place_is_told_the_right_one() {
    let disk = FaultyDisk::new(1);
    let (_, store) = bucket(&disk);
    fill(&disk, &*store, &open(&disk, &store).unwrap().0, 3);
    let files = local(&disk);
    let told = refusal(open(&disk, &files));
    assert!(
        told.contains("3 of 3 blocks are not in m/blocks: they lie in memory; start with --blocks memory"),
        "{told}"
    );
    assert_eq!(open(&disk, &store).unwrap().0.snapshot().blocks.len(), 3);
    // Brought over by hand they are taken from here.
    for file in store.list().unwrap().iter().filter(|file| file.name.ends_with(".parquet")) {
        store.copy_out(&file.name, &Path::new("m/blocks").join(&file.name)).unwrap();
    }
    let (catalogue, _) = open(&disk, &files).unwrap();
    assert_eq!((catalogue.snapshot().blocks.len(), &catalogue.snapshot().bucket), (3, &None));
    fill(&disk, &*files, &catalogue, 1);
    // And back: what the bucket still has is not sent again, its older catalogue does not count.
    let (catalogue, recovery) = open(&disk, &store).unwrap();
    assert_eq!((catalogue.snapshot().blocks.len(), recovery.moved), (4, 4));
}
