//! The catalogue on disks that fail and crash.

use std::io;
use std::path::Path;
use std::sync::Arc;

use blocks::catalogue::{BlockEntry, Catalogue, Recovery, Source};
use blocks::disk::Disk;
use blocks::faults::FaultyDisk;
use blocks::files::{FileStore, LocalFiles};
use model::{Tenant, TimeRange, Timestamp};

const PATH: &str = "m/catalogue.json";

/// A file whose bytes are its entry.
fn put(disk: &dyn Disk, files: &dyn FileStore, entry: &BlockEntry) -> io::Result<()> {
    let path = Path::new("m/tmp").join(entry.file_name());
    let mut file = disk.create(&path)?;
    file.write_all(&serde_json::to_vec(entry).unwrap())?;
    file.sync()?;
    files.put(&entry.file_name(), &path)
}

fn open(disk: &FaultyDisk, files: &Arc<dyn FileStore>) -> io::Result<(Catalogue, Recovery)> {
    let read = |name: &str| Ok(serde_json::from_slice(&files.read(name)?)?);
    Catalogue::open(Arc::new(disk.clone()), Path::new(PATH), files.clone(), &read)
}

fn local(disk: &FaultyDisk) -> Arc<dyn FileStore> {
    Arc::new(LocalFiles::new(Arc::new(disk.clone()), "m/blocks").unwrap())
}

fn entry(id: u64) -> BlockEntry {
    let mut entry = BlockEntry::new(id, Tenant::default(), 0, Timestamp(5));
    entry.range = TimeRange::new(id as i64 * 10, id as i64 * 10 + 9);
    entry
}

fn ids(catalogue: &Catalogue) -> Vec<u64> {
    catalogue.snapshot().blocks.iter().map(|block| block.id).collect()
}

#[test]
fn a_commit_is_found_again() {
    let disk = FaultyDisk::new(1);
    let files = local(&disk);
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!(recovery.source, Source::Fresh);
    let first = entry(catalogue.reserve_id());
    put(&disk, files.as_ref(), &first).unwrap();
    let committed = catalogue
        .commit(|manifest| {
            manifest.replace(&[], [first.clone()]);
            manifest.wal_from = 7;
        })
        .unwrap();
    let leftover = entry(catalogue.reserve_id());
    put(&disk, files.as_ref(), &leftover).unwrap();
    disk.crash();
    let (catalogue, recovery) = open(&disk, &files).unwrap();
    assert_eq!(recovery.source, Source::Manifest);
    assert_eq!(recovery.removed, [leftover.file_name()]);
    assert_eq!(
        catalogue.snapshot().as_ref(),
        &blocks::catalogue::Manifest { next_id: 3, ..committed.as_ref().clone() }
    );
    assert_eq!(ids(&catalogue), [first.id]);
    assert!(catalogue.reserve_id() > leftover.id);
}
