//! One block that cannot be read does not keep the others from being compacted.

use std::io;
use std::path::Path;
use std::sync::Arc;

use blocks::disk::ReadFile;
use blocks::faults::FaultyDisk;
use blocks::files::{FileInfo, FileStore, MemoryFiles};
use metrics::StoreOptions;
use model::{Sample, Tenant, Timestamp, WriteBatch};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use crate::support::{NOW, append, append_one, clock, labels, open_at, options, read_one};

/// A bucket that does not give one of its files.
#[derive(Clone, Debug)]
struct Sparing {
    inner: MemoryFiles,
    kept_back: Arc<Mutex<Option<String>>>,
}

#[derive(Debug)]
struct File {
    inner: Arc<dyn ReadFile>,
    name: String,
    kept_back: Arc<Mutex<Option<String>>>,
}

impl ReadFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.kept_back.lock().as_ref() == Some(&self.name) {
            return Err(io::Error::other("this file cannot be had"));
        }
        self.inner.read_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

impl FileStore for Sparing {
    fn put(&self, name: &str, local: &Path) -> io::Result<()> {
        self.inner.put(name, local)
    }

    fn put_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.put_bytes(name, bytes)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn ReadFile>> {
        let inner = self.inner.open(name)?;
        Ok(Arc::new(File { inner, name: name.to_owned(), kept_back: self.kept_back.clone() }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        self.inner.list()
    }

    fn copy_out(&self, name: &str, to: &Path) -> io::Result<()> {
        self.inner.copy_out(name, to)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn is_remote(&self) -> bool {
        true
    }
}

#[test]
fn one_block_that_cannot_be_read_holds_up_no_other() {
    let disk = FaultyDisk::new(1);
    let files = Sparing { inner: MemoryFiles::new(Arc::new(disk.clone())), kept_back: Arc::default() };
    let clock = clock();
    let options = StoreOptions { files: Some(Arc::new(files.clone())), block_cache_bytes: 0, ..options() };
    let (store, _) = open_at(&disk, options, clock.clone());
    let (up, other) = (labels("up", "a"), Tenant::new("other").unwrap());
    for round in 0..4 {
        append_one(&store, &up, NOW + round * 60_000, 1.0);
        // More samples, so that the job of the other tenant is the second one.
        let mut batch = WriteBatch { tenant: other.clone(), ..WriteBatch::default() };
        (0..500)
            .for_each(|i| batch.push(labels("up", &i.to_string()), None, Sample::float(Timestamp(NOW + round), 1.0)));
        append(&store, batch).unwrap();
        store.flush().unwrap();
        clock.advance_ms(60_000);
    }
    clock.advance_ms(10 * 3_600_000);
    let count_of = |tenant: &Tenant| store.blocks().iter().filter(|entry| entry.tenant == *tenant).count();
    let blocks = store.blocks();
    let bad = blocks.iter().find(|entry| entry.tenant == Tenant::default()).unwrap();
    *files.kept_back.lock() = Some(bad.file_name());
    assert!(store.maintain().is_err());
    assert_eq!((count_of(&Tenant::default()), count_of(&other)), (4, 4));
    store.maintain().unwrap();
    assert_eq!((count_of(&Tenant::default()), count_of(&other)), (2, 1), "all but the one are merged");
    assert!(store.blocks().iter().any(|entry| entry.id == bad.id));
    let mut registry = Registry::default();
    store.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("\nafferent_metrics_compaction_held_blocks 1.0\n"), "{text}");
    *files.kept_back.lock() = None;
    assert_eq!(read_one(&store, &up).len(), 4, "it counts as before");
}
