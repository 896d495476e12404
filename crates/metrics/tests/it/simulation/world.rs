//! What surrounds the store: a clock, a disk, and maybe a bucket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocks::catalogue::{MIRROR_NAME, Manifest, block_id};
use blocks::disk::Disk;
use blocks::faults::{FaultRates, FaultyDisk};
use blocks::files::{FaultyFiles, FileFaults, FileStore, MemoryFiles, RemoteFiles, RemoteOptions};
use metrics::{DownsampleStep, RecoveryReport, RetentionRule, Store, StoreError, StoreOptions};
use model::{ManualClock, Matcher, Timestamp};
use rand::RngExt;
use rand::rngs::StdRng;
use tempfile::TempDir;

use crate::support::NOW;

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
/// Age at which the metric `short` goes.
pub(super) const SHORT_KEEP: i64 = 6 * HOUR;
/// Age at which the metric `thin` is thinned, and the length of its buckets.
pub(super) const THIN_AFTER: i64 = 3 * HOUR;
pub(super) const THIN_TO: i64 = 5 * MINUTE;
pub(super) const DATA: &str = "/data";

/// Where blocks lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Disk,
    Bucket,
    /// As the binary does it: a directory as a bucket, read through pieces on the local disk.
    CachedBucket,
}

#[derive(Debug)]
pub(super) struct Bucket {
    /// What is really there.
    pub(super) inner: Arc<dyn FileStore>,
    /// What the store sees.
    pub(super) faults: FaultyFiles,
    dir: Option<TempDir>,
}

#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    starts: u64,
    pub(super) clock: Arc<ManualClock>,
    pub(super) disk: FaultyDisk,
    pub(super) bucket: Option<Bucket>,
    pub(super) retention: i64,
    file_faults: FileFaults,
}

impl World {
    pub(super) fn new(kind: Kind, seed: u64) -> World {
        let disk = FaultyDisk::new(seed);
        let bucket = match kind {
            Kind::Disk => None,
            Kind::Bucket => {
                let inner: Arc<dyn FileStore> = Arc::new(MemoryFiles::new(Arc::new(disk.clone())));
                Some(Bucket { faults: FaultyFiles::new(inner.clone(), seed).on(&disk), inner, dir: None })
            }
            Kind::CachedBucket => {
                let dir = tempfile::tempdir().unwrap();
                let inner = cached(&disk, &dir).unwrap();
                Some(Bucket { faults: FaultyFiles::new(inner.clone(), seed).on(&disk), inner, dir: Some(dir) })
            }
        };
        let retention = [48 * HOUR, 30 * 24 * HOUR][seed as usize % 2];
        let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
        World { seed, starts: 0, clock, disk, bucket, retention, file_faults: FileFaults::default() }
    }

    pub(super) fn now(&self) -> i64 {
        model::Clock::now(&*self.clock).ms()
    }

    fn options(&self, random: &mut StdRng) -> StoreOptions {
        let short = RetentionRule {
            matchers: vec![Matcher::equal("__name__", "short")],
            keep_ms: Some(SHORT_KEEP),
            downsample: Vec::new(),
        };
        let thin = RetentionRule {
            matchers: vec![Matcher::equal("__name__", "thin")],
            keep_ms: None,
            downsample: vec![DownsampleStep { after_ms: THIN_AFTER, to_ms: THIN_TO }],
        };
        StoreOptions {
            background: false,
            shards: Some(random.random_range(1..4)),
            wal_segment_bytes: random.random_range(100..6000),
            retention_ms: self.retention,
            retention_rules: vec![short, thin],
            block_cache_bytes: [0, 20_000, 64 << 20][random.random_range(0..3_usize)],
            files: self.bucket.as_ref().map(|bucket| Arc::new(bucket.faults.clone()) as Arc<dyn FileStore>),
            ..StoreOptions::default()
        }
    }

    /// Starts a store on what is there.
    pub(super) fn open(&mut self, random: &mut StdRng) -> Result<(Arc<Store>, RecoveryReport), StoreError> {
        self.starts += 1;
        if let Some(bucket) = &mut self.bucket
            && let Some(dir) = &bucket.dir
        {
            // A new process opens its cache anew.
            let fail = |source| StoreError::Io { action: "open", path: "the bucket".into(), source };
            bucket.inner = cached(&self.disk, dir).map_err(fail)?;
            bucket.faults = FaultyFiles::new(bucket.inner.clone(), self.seed + self.starts).on(&self.disk);
            bucket.faults.set_faults(self.file_faults);
        }
        let options = self.options(random);
        Store::open_on(Arc::new(self.disk.clone()), Path::new(DATA), options, self.clock.clone())
    }

    /// Opens a snapshot.
    pub(super) fn open_snapshot(&self, dir: &Path, random: &mut StdRng) -> (Arc<Store>, RecoveryReport) {
        let options = StoreOptions { files: None, ..self.options(random) };
        Store::open_on(Arc::new(self.disk.clone()), dir, options, self.clock.clone()).expect("a snapshot opens")
    }

    /// Nothing fails any more.
    pub(super) fn quiet(&mut self) {
        self.disk.set_rates(FaultRates::default());
        self.disk.set_space(None);
        self.fail_files(FileFaults::default());
    }

    fn fail_files(&mut self, faults: FileFaults) {
        self.file_faults = faults;
        if let Some(bucket) = &self.bucket {
            bucket.faults.set_faults(faults);
        }
    }

    /// True where the bucket may not answer.
    pub(super) fn bucket_fails(&self) -> bool {
        self.bucket.is_some() && self.file_faults != FileFaults::default()
    }

    /// Something fails now and then; `reads` says whether reading may.
    pub(super) fn noise(&mut self, random: &mut StdRng, reads: bool) {
        let mut rate = |most: u32| if random.random_range(0..3) == 0 { 0 } else { random.random_range(0..most) };
        let failed_read = if reads { rate(30) } else { 0 };
        let rates = FaultRates { torn_write: rate(60), failed_sync: rate(60), failed_name: rate(60), failed_read };
        let faults = FileFaults { failed: rate(200), lost_answer: rate(200), ..FileFaults::default() };
        self.disk.set_rates(rates);
        let down = random.random_range(0..4) == 0;
        self.fail_files(FileFaults { down, ..faults });
    }

    /// The manifest on this disk, whatever the store thinks.
    pub(super) fn manifest(&self) -> Option<Manifest> {
        let bytes = self.disk.read(&Path::new(DATA).join("catalogue.json")).ok()?;
        let frame: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        serde_json::from_value(frame.get("manifest")?.clone()).ok()
    }

    /// True where the bucket has the same catalogue as this disk.
    pub(super) fn bucket_knows_all(&self) -> bool {
        let ours = self.disk.read(&Path::new(DATA).join("catalogue.json"));
        let theirs = self.bucket.as_ref().map(|bucket| bucket.inner.read(MIRROR_NAME));
        matches!((ours, theirs), (Ok(ours), Some(Ok(theirs))) if ours == theirs)
    }

    /// The disk is lost with all that is on it.
    pub(super) fn lose_disk(&self) {
        for (path, _) in self.disk.files() {
            self.disk.remove(&path).unwrap();
        }
        self.disk.sync_dir(Path::new(DATA)).unwrap();
    }

    /// Flips a bit of a block in the bucket.
    pub(super) fn corrupt_in_bucket(&mut self, name: &str, random: &mut StdRng) {
        let Some(bucket) = &self.bucket else { return };
        let mut bytes = bucket.inner.read(name).unwrap();
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
        bucket.inner.put_bytes(name, &bytes).unwrap();
    }

    /// Names of the files among blocks that no manifest speaks of, and other files that have no business to be left.
    pub(super) fn leaked(&self, manifest: &Manifest) -> Vec<PathBuf> {
        let counts = |name: &str| {
            let listed = block_id(name).is_some_and(|id| manifest.block(id).is_some());
            listed || manifest.unreadable.iter().any(|other| other == name)
        };
        let mut leaked = Vec::new();
        for (path, _) in self.disk.files() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let fine = match path.parent().and_then(Path::to_str) {
                Some("/data/blocks") => self.bucket.is_none() && counts(&name),
                Some("/data/wal") => name.ends_with(".wal") || name.ends_with(".quarantine"),
                Some("/data/quarantine" | "/cache") => true,
                // A snapshot that was cut short is the user's to remove.
                Some(dir) if dir.starts_with("/snapshots") => true,
                Some(DATA) => {
                    let known = ["catalogue.json", "catalogue.copy.json", "catalogue.damaged.json", "head.log"];
                    known.contains(&name.as_str())
                }
                _ => false,
            };
            if !fine {
                leaked.push(path);
            }
        }
        if let Some(bucket) = &self.bucket {
            let names = bucket.inner.list().unwrap().into_iter().map(|file| file.name);
            let is_leaked = |name: &String| name != MIRROR_NAME && !counts(name);
            leaked.extend(names.filter(is_leaked).map(|name| Path::new("bucket").join(name)));
        }
        leaked
    }
}

fn cached(disk: &FaultyDisk, dir: &TempDir) -> io::Result<Arc<dyn FileStore>> {
    let mut options = RemoteOptions::new("/cache", 100 << 10);
    options.piece_bytes = 16 << 10;
    options.disk = Arc::new(disk.clone());
    let url = format!("file://{}", dir.path().display());
    Ok(Arc::new(RemoteFiles::open(&url, options)?))
}
