//! The list of the blocks that count.
//!
//! A block counts from the moment its entry is in a committed [`Manifest`], and no longer once it is not. The manifest is one
//! JSON file, replaced whole, with a copy beside it; for a bucket there is a third one in the bucket, so that a machine that
//! lost its disk finds its blocks again. Order of work: put the files, commit, tell the bucket, then remove what is replaced,
//! which the manifest names until it is done. Files that no manifest lists are removed at the next start.

mod codec;
mod entry;
mod recover;
mod relocate;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

pub use entry::{BlockEntry, Loss, Manifest, StoredMatcher, Tombstone, block_id, file_name};
pub use recover::{Recovery, Source, Unreachable};
pub use relocate::Misplaced;

use crate::disk::Disk;
use crate::files::FileStore;

/// Name of the manifest in a bucket.
pub const MIRROR_NAME: &str = "catalogue.json";
/// The directory beside the manifest where blocks lie that are in no bucket, and where all of them are made.
pub const BLOCKS_DIR: &str = "blocks";

/// The catalogue of one store.
#[derive(Debug)]
pub struct Catalogue {
    places: Places,
    next_id: AtomicU64,
    current: RwLock<Arc<Manifest>>,
    /// Version of the last attempt to commit; held while one is under way.
    attempted: Mutex<u64>,
    /// Version of the manifest in the bucket; held while one is sent.
    mirrored: Mutex<Option<u64>>,
}

/// Where manifests lie.
#[derive(Debug)]
struct Places {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    files: Arc<dyn FileStore>,
}

impl Places {
    fn copy(&self) -> PathBuf {
        self.path.with_extension("copy.json")
    }

    fn local_blocks(&self) -> PathBuf {
        self.path.with_file_name(BLOCKS_DIR)
    }

    /// Returns once manifest and copy are durable. The copy goes first: so it never lacks what was committed, and where the
    /// manifest is damaged it stands in for it in every respect, deletions included. After an error either may be on disk,
    /// and either is fine.
    fn save(&self, manifest: &Manifest) -> io::Result<()> {
        let bytes = codec::encode(manifest)?;
        self.disk.replace(&self.copy(), &bytes)?;
        self.disk.replace(&self.path, &bytes)
    }
}

impl Catalogue {
    /// Opens the catalogue at `path`, whose directory must exist, for blocks in `files`.
    ///
    /// A manifest that is damaged or gone is replaced by its copy, by the bucket's, or by what the block files say of
    /// themselves (`read_entry` gives the entry in a file's metadata). Listed blocks that lie beside the manifest move into a
    /// bucket that is given instead. Fails only where it cannot be known what counts, or where blocks would be out of sight:
    /// the manifest was written by a newer version, there is none here and the bucket does not answer, or the blocks lie
    /// elsewhere ([`Misplaced`]).
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        files: Arc<dyn FileStore>,
        read_entry: &dyn Fn(&str) -> io::Result<BlockEntry>,
    ) -> io::Result<(Catalogue, Recovery)> {
        let places = Places { disk, path: path.to_owned(), files };
        let (manifest, mirrored, recovery) = recover::recover(&places, read_entry)?;
        let catalogue = Catalogue {
            places,
            next_id: AtomicU64::new(manifest.next_id),
            attempted: Mutex::new(manifest.version),
            current: RwLock::new(Arc::new(manifest)),
            mirrored: Mutex::new(mirrored),
        };
        Ok((catalogue, recovery))
    }

    /// What counts now.
    pub fn snapshot(&self) -> Arc<Manifest> {
        self.current.read().clone()
    }

    /// An id that no block or tombstone has, had, or will have.
    pub fn reserve_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Changes what counts; durable before it is visible. Commits are made one after the other. What counts no more is
    /// [`Manifest::gone`] from now on; whoever removes files takes them out of there.
    ///
    /// After an error nothing has changed for this process, but the disk may hold either manifest: leave the files of both
    /// where they are (the next start removes those that do not count) and commit again, under new ids.
    pub fn commit(&self, change: impl FnOnce(&mut Manifest)) -> io::Result<Arc<Manifest>> {
        let mut attempted = self.attempted.lock();
        let mut manifest = Manifest::clone(&self.current.read());
        change(&mut manifest);
        *attempted += 1;
        manifest.version = *attempted;
        manifest.next_id = self.next_id.load(Ordering::Relaxed);
        manifest.blocks.sort_unstable_by_key(|block| block.id);
        let before = self.snapshot();
        let counted = before.blocks.iter().chain(&before.missing).map(|block| block.id);
        let gone = counted.chain(std::mem::take(&mut manifest.gone)).filter(|id| !manifest.lists(*id));
        let gone: BTreeSet<u64> = gone.collect();
        manifest.gone = gone.into_iter().collect();
        self.places.save(&manifest)?;
        let manifest = Arc::new(manifest);
        *self.current.write() = manifest.clone();
        drop(attempted);
        if let Err(error) = self.mirror() {
            tracing::warn!(%error, "the bucket's catalogue stays behind until the next commit");
        }
        Ok(manifest)
    }

    /// Sends the manifest to the bucket, where the one there is older. Commits do so; call it to try again after an outage.
    pub fn mirror(&self) -> io::Result<()> {
        if !self.places.files.is_remote() {
            return Ok(());
        }
        let mut mirrored = self.mirrored.lock();
        let manifest = self.snapshot();
        if *mirrored != Some(manifest.version) {
            self.places.files.put_bytes(MIRROR_NAME, &codec::encode(&manifest)?)?;
            *mirrored = Some(manifest.version);
        }
        Ok(())
    }

    /// True where the bucket's manifest is older than ours; never for files on this machine.
    pub fn mirror_is_behind(&self) -> bool {
        self.places.files.is_remote() && *self.mirrored.lock() != Some(self.snapshot().version)
    }
}
