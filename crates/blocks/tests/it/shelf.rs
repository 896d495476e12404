//! Which files of a bucket count again when the disk is lost, and which stay away.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blocks::catalogue::{BlockEntry, MIRROR_NAME, Recovery, file_name};
use blocks::disk::{Disk, ReadFile};
use blocks::faults::FaultyDisk;
use blocks::files::{FileInfo, FileStore, MemoryFiles};
use blocks::shelf::{OpenBlock, Shelf};
use model::{Tenant, Timestamp};

/// A block whose file is its entry.
#[derive(Debug)]
struct Page(BlockEntry);

impl OpenBlock for Page {
    type Shared = ();

    fn open(_: Arc<dyn ReadFile>, entry: BlockEntry, _: &Arc<()>) -> io::Result<Self> {
        Ok(Page(entry))
    }

    fn entry(&self) -> &BlockEntry {
        &self.0
    }

    fn read_entry(file: &dyn ReadFile, _: &str) -> io::Result<BlockEntry> {
        let mut bytes = vec![0; file.len()? as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// A bucket that may refuse the catalogue and nothing else.
#[derive(Debug)]
struct Bucket {
    files: MemoryFiles,
    refuses_catalogue: AtomicBool,
}

impl FileStore for Bucket {
    fn put(&self, name: &str, local: &Path) -> io::Result<()> {
        self.files.put(name, local)
    }

    fn put_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if name == MIRROR_NAME && self.refuses_catalogue.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.files.put_bytes(name, bytes)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn ReadFile>> {
        self.files.open(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.remove(name)
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        self.files.list()
    }

    fn copy_out(&self, name: &str, to: &Path) -> io::Result<()> {
        self.files.copy_out(name, to)
    }

    fn describe(&self) -> String {
        self.files.describe()
    }

    fn is_remote(&self) -> bool {
        true
    }
}

struct Bench {
    disk: FaultyDisk,
    bucket: Arc<Bucket>,
}

impl Bench {
    fn new() -> Bench {
        let disk = FaultyDisk::new(1);
        let files = MemoryFiles::new(Arc::new(disk.clone()));
        Bench { disk, bucket: Arc::new(Bucket { files, refuses_catalogue: AtomicBool::new(false) }) }
    }

    fn open(&self) -> (Shelf<Page>, Recovery) {
        Shelf::open(Arc::new(self.disk.clone()), Path::new("m"), self.bucket.clone(), Arc::new(())).unwrap()
    }

    /// Puts a block in the place of others.
    fn add(&self, shelf: &Shelf<Page>, replaces: &[u64]) -> u64 {
        let (mut entry, path) = shelf.begin(&Tenant::default(), 0, Timestamp(5));
        entry.replaces = replaces.to_vec();
        let mut file = self.disk.create(&path).unwrap();
        file.write_all(&serde_json::to_vec(&entry).unwrap()).unwrap();
        file.sync().unwrap();
        let id = entry.id;
        shelf.commit(vec![entry], replaces, |_| ()).unwrap();
        id
    }

    fn lose_disk(&self) {
        for (path, _) in self.disk.files() {
            self.disk.remove(&path).unwrap();
        }
    }

    fn has(&self, id: u64) -> bool {
        self.bucket.list().unwrap().iter().any(|file| file.name == file_name(id))
    }
}

fn ids(shelf: &Shelf<Page>) -> Vec<u64> {
    shelf.view().blocks.iter().map(|block| block.entry().id).collect()
}

/// A file of an old block is left because somebody reads it, and what has replaced it is replaced and gone in turn, or is not
/// believed because of another file that cannot be read.
#[test]
fn what_counts_no_more_stays_away_when_the_disk_is_lost() {
    for is_damaged in [false, true] {
        let bench = Bench::new();
        let (shelf, _) = bench.open();
        let (other, old) = (bench.add(&shelf, &[]), bench.add(&shelf, &[]));
        let reader = shelf.view();
        let merged = bench.add(&shelf, &[old]);
        let merged_again = bench.add(&shelf, &[merged]);
        let rewritten = bench.add(&shelf, &[other]);
        assert!(bench.has(old) && bench.has(other) && !bench.has(merged));
        drop((shelf, reader));
        if is_damaged {
            bench.bucket.put_bytes(&file_name(other), b"damaged").unwrap();
        }
        bench.lose_disk();
        let (shelf, recovery) = bench.open();
        assert_eq!(ids(&shelf), [merged_again, rewritten], "{recovery:?}");
        assert!(recovery.unreadable.is_empty() && recovery.missing.is_empty(), "{recovery:?}");
        assert!(!bench.has(old) && !bench.has(other));
    }
}

/// A file that cannot be read and is older than what a job has replaced is none that this job put.
#[test]
fn an_unreadable_file_speaks_against_no_younger_job() {
    let bench = Bench::new();
    let (shelf, _) = bench.open();
    let old = bench.add(&shelf, &[]);
    let reader = shelf.view();
    bench.bucket.refuses_catalogue.store(true, Ordering::Relaxed);
    let merged = bench.add(&shelf, &[old]);
    bench.bucket.put_bytes(&file_name(0), b"damaged").unwrap();
    drop((shelf, reader));
    bench.lose_disk();
    bench.bucket.refuses_catalogue.store(false, Ordering::Relaxed);
    let (shelf, recovery) = bench.open();
    assert_eq!(ids(&shelf), [merged], "{recovery:?}");
}

/// Of a lost disk the bucket's catalogue is left. Were the files that it lists removed already, they would be missed, and what
/// they have replaced would count again.
#[test]
fn nothing_is_removed_that_the_catalogue_of_the_bucket_may_list() {
    let bench = Bench::new();
    let (shelf, _) = bench.open();
    let old = bench.add(&shelf, &[]);
    bench.bucket.refuses_catalogue.store(true, Ordering::Relaxed);
    let merged = bench.add(&shelf, &[old]);
    let merged_again = bench.add(&shelf, &[merged]);
    shelf.sweep();
    assert!(bench.has(old) && bench.has(merged));
    drop(shelf);
    // A start that knows better does not remove them either.
    let (shelf, recovery) = bench.open();
    assert!(bench.has(old) && bench.has(merged), "{recovery:?}");
    drop(shelf);
    bench.lose_disk();
    bench.bucket.refuses_catalogue.store(false, Ordering::Relaxed);
    let (shelf, recovery) = bench.open();
    assert_eq!((ids(&shelf), recovery.missing), (vec![merged_again], vec![]));
    assert!(!bench.has(old) && !bench.has(merged));
}

#[test]
fn a_missing_file_that_comes_back_while_the_store_runs_is_kept() {
    let bench = Bench::new();
    let (shelf, _) = bench.open();
    let id = bench.add(&shelf, &[]);
    drop(shelf);
    let bytes = bench.bucket.read(&file_name(id)).unwrap();
    bench.bucket.remove(&file_name(id)).unwrap();
    let (shelf, recovery) = bench.open();
    assert_eq!(recovery.missing, [id]);
    bench.bucket.put_bytes(&file_name(id), &bytes).unwrap();
    let other = bench.add(&shelf, &[]);
    assert!(bench.has(id));
    drop(shelf);
    assert_eq!(ids(&bench.open().0), [id, other]);
}
