//! The blocks of a store: which of them count, their open files, and what becomes of those that are replaced.
//!
//! ```text
//! begin -> a writer of the store -> commit (put files, open, catalogue) -> view
//! ```
//!
//! Readers take a [`View`], which never changes. A block that no longer counts stays open until the last view with it is
//! gone; then [`Shelf::sweep`] removes its file.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Matcher, Tenant, TimeRange, Timestamp};
use parking_lot::{Mutex, RwLock};

use crate::catalogue::{
    BLOCKS_DIR, BlockEntry, Catalogue, Loss, Manifest, Recovery, StoredMatcher, Tombstone, block_id, file_name,
};
use crate::disk::{Disk, ReadFile};
use crate::files::FileStore;
use crate::patience::Patience;

pub use snapshot::snapshot;

const UNFINISHED: &str = ".unfinished";

/// An open block of a store.
pub trait OpenBlock: std::fmt::Debug + Send + Sync + Sized {
    /// What all blocks of a store share, such as a cache.
    type Shared: std::fmt::Debug + Send + Sync;

    /// Opens a block. Where that reads nothing, it succeeds while a bucket does not answer.
    fn open(file: Arc<dyn ReadFile>, entry: BlockEntry, shared: &Arc<Self::Shared>) -> io::Result<Self>;

    /// What the catalogue says of it.
    fn entry(&self) -> &BlockEntry;

    /// The entry that a file has of itself; `name` is for errors.
    fn read_entry(file: &dyn ReadFile, name: &str) -> io::Result<BlockEntry>;
}

/// What counts as deleted, ready for use.
#[derive(Debug)]
pub struct Grave {
    /// As the catalogue has it.
    pub tombstone: Tombstone,
    /// Its matchers, compiled.
    pub matchers: Vec<Matcher>,
}

/// What counts at one moment.
#[derive(Debug)]
pub struct View<B> {
    /// The blocks in the order of writing.
    pub blocks: Vec<Arc<B>>,
    /// Deletions that blocks have yet to follow.
    pub graves: Vec<Grave>,
    /// What the catalogue says.
    pub manifest: Arc<Manifest>,
}

impl<B: OpenBlock> View<B> {
    /// Blocks of a tenant that may have samples in a range.
    pub fn of<'v>(&'v self, tenant: &'v Tenant, range: TimeRange) -> impl Iterator<Item = &'v Arc<B>> {
        self.blocks.iter().filter(move |b| b.entry().tenant == *tenant && b.entry().range.overlaps(&range))
    }

    /// How many blocks a tenant has.
    pub fn count_of(&self, tenant: &Tenant) -> u64 {
        self.blocks.iter().filter(|b| b.entry().tenant == *tenant).count() as u64
    }

    /// The entries of blocks that count but are not open: their files are not there, or could not be opened yet.
    pub fn closed(&self) -> impl Iterator<Item = &BlockEntry> {
        // Almost always there is none, which the numbers tell.
        let some_are_closed = self.blocks.len() < self.manifest.blocks.len();
        let opened: HashSet<u64> =
            if some_are_closed { self.blocks.iter().map(|block| block.entry().id).collect() } else { HashSet::new() };
        let closed = self.manifest.blocks.iter().filter(move |entry| some_are_closed && !opened.contains(&entry.id));
        closed.chain(&self.manifest.missing)
    }

    /// What every answer about a tenant and a range lacks, in sentences for people: blocks that cannot be opened, and what is
    /// lost.
    pub fn gaps(&self, tenant: &Tenant, range: TimeRange) -> impl Iterator<Item = String> {
        let closed = self.closed().filter(move |entry| entry.tenant == *tenant && entry.range.overlaps(&range));
        let closed = closed
            .map(|entry| format!("data is missing from the answer: block {} cannot be opened", entry.file_name()));
        closed.chain(self.manifest.losses.iter().filter(move |loss| loss.concerns(tenant, range)).map(lost))
    }

    /// Deletions that concern a block.
    pub fn graves_of<'v>(&'v self, block: &'v B) -> impl Iterator<Item = &'v Grave> {
        self.graves.iter().filter(|grave| grave.tombstone.concerns(block.entry()))
    }
}

/// What waits to be removed; the catalogue knows it as gone.
#[derive(Debug)]
struct Leftovers<B> {
    /// Blocks that no longer count.
    retired: Vec<Arc<B>>,
    /// Files of a commit that failed: the catalogue on disk may list them until the next commit.
    doubtful: Vec<String>,
    /// Files that count no more and that nobody reads.
    gone: BTreeSet<String>,
    /// How long to wait before trying again what failed.
    patience: Patience,
}

impl<B> Default for Leftovers<B> {
    fn default() -> Self {
        let patience = Patience::default();
        Leftovers { retired: Vec::new(), doubtful: Vec::new(), gone: BTreeSet::new(), patience }
    }
}

impl<B: OpenBlock> Leftovers<B> {
    /// The blocks whose files may still be there.
    fn ids(&self) -> Vec<u64> {
        let retired = self.retired.iter().map(|block| block.entry().id);
        let names = self.doubtful.iter().chain(&self.gone);
        retired.chain(names.filter_map(|name| block_id(name))).collect()
    }
}

/// The blocks of one store.
#[derive(Debug)]
pub struct Shelf<B: OpenBlock> {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    files: Arc<dyn FileStore>,
    catalogue: Catalogue,
    shared: Arc<B::Shared>,
    view: RwLock<Arc<View<B>>>,
    /// Held while the view changes.
    leftovers: Mutex<Leftovers<B>>,
    /// Rows that could not be read and were left out.
    pub damaged_reads: AtomicU64,
    /// Damage met by readers, by block.
    damaged: Mutex<BTreeMap<u64, Damage>>,
}

/// What readers could not read of a block.
#[derive(Debug)]
struct Damage {
    /// How often.
    reads: u64,
    /// How often when it was last logged.
    logged: u64,
    /// What to tell about it.
    warning: String,
}

impl<B: OpenBlock> Shelf<B> {
    /// Opens the catalogue in `dir` and the blocks that it lists. Blocks under construction lie in `dir/blocks` on this
    /// machine, finished ones in `files`.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        files: Arc<dyn FileStore>,
        shared: Arc<B::Shared>,
    ) -> io::Result<(Shelf<B>, Recovery)> {
        let scratch = dir.join(BLOCKS_DIR);
        disk.create_dir_all(&scratch)?;
        for name in disk.list(&scratch)?.iter().filter(|name| name.ends_with(UNFINISHED)) {
            if let Err(error) = disk.remove(&scratch.join(name)) {
                tracing::warn!(name, %error, "an unfinished block cannot be removed");
            }
        }
        let read_entry = |name: &str| B::read_entry(&*files.open(name)?, name);
        let (catalogue, mut recovery) =
            Catalogue::open(disk.clone(), &dir.join("catalogue.json"), files.clone(), &read_entry)?;
        let manifest = catalogue.snapshot();
        let mut blocks = Vec::with_capacity(manifest.blocks.len());
        for entry in &manifest.blocks {
            match open_block(&*files, entry, &shared) {
                Ok(block) => blocks.push(block),
                Err(error) => {
                    recovery.problems.push(format!("{} cannot be opened: {error}", entry.file_name()));
                    recovery.unreadable.push(entry.file_name());
                }
            }
        }
        let mut leftovers = Leftovers::default();
        let gone = manifest.gone.iter().map(|id| file_name(*id));
        leftovers.gone.extend(gone.filter(|name| !recovery.removed.contains(name)));
        let view = view(blocks, manifest);
        let shelf = Shelf {
            disk,
            dir: scratch,
            files,
            catalogue,
            shared,
            view: RwLock::new(Arc::new(view)),
            leftovers: Mutex::new(leftovers),
            damaged_reads: AtomicU64::new(0),
            damaged: Mutex::default(),
        };
        Ok((shelf, recovery))
    }

    /// What counts now.
    pub fn view(&self) -> Arc<View<B>> {
        self.view.read().clone()
    }

    /// Where the finished files lie.
    pub fn files(&self) -> &Arc<dyn FileStore> {
        &self.files
    }

    /// The disk of this machine.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// What all blocks share.
    pub fn shared(&self) -> &Arc<B::Shared> {
        &self.shared
    }

    /// An id for a block or a tombstone.
    pub fn reserve_id(&self) -> u64 {
        self.catalogue.reserve_id()
    }

    /// Begins a block with a new id: answers its entry and the path of this machine's disk where its writer completes it.
    pub fn begin(&self, tenant: &Tenant, level: u8, created: Timestamp) -> (BlockEntry, PathBuf) {
        let entry = BlockEntry::new(self.catalogue.reserve_id(), tenant.clone(), level, created);
        let path = self.unfinished(&entry);
        (entry, path)
    }

    fn unfinished(&self, entry: &BlockEntry) -> PathBuf {
        self.dir.join(entry.file_name() + UNFINISHED)
    }

    /// Removes finished blocks that were not committed.
    pub fn discard(&self, entries: &[BlockEntry]) {
        for entry in entries {
            if let Err(error) = self.disk.remove(&self.unfinished(entry)) {
                tracing::warn!(name = entry.file_name(), %error, "an unfinished block cannot be removed");
            }
        }
    }

    /// Puts finished blocks in the place of others, together with any other change of the manifest; either may be none.
    /// Durable when it answers, and visible to all views taken afterwards. After an error nothing has changed, and the
    /// finished blocks are gone.
    pub fn commit(
        &self,
        added: Vec<BlockEntry>,
        removed: &[u64],
        change: impl FnOnce(&mut Manifest),
    ) -> io::Result<()> {
        let mut leftovers = self.leftovers.lock();
        let opened = match self.put(&added) {
            Ok(opened) => opened,
            Err(error) => {
                self.discard_put(&added, &mut leftovers);
                return Err(error);
            }
        };
        let names: Vec<String> = added.iter().map(BlockEntry::file_name).collect();
        let committed = self.catalogue.commit(|manifest| {
            manifest.gone = leftovers.ids();
            manifest.replace(removed, added);
            change(manifest);
        });
        let manifest = match committed {
            Ok(manifest) => manifest,
            Err(error) => {
                leftovers.doubtful.extend(names);
                return Err(error);
            }
        };
        let before = self.view();
        let counts = |block: &Arc<B>| manifest.block(block.entry().id).is_some();
        let (mut blocks, retired): (Vec<_>, Vec<_>) = before.blocks.iter().cloned().partition(counts);
        blocks.extend(opened);
        let replaced = before.closed().filter(|entry| !manifest.lists(entry.id)).map(BlockEntry::file_name);
        let doubtful = std::mem::take(&mut leftovers.doubtful);
        leftovers.gone.extend(replaced.chain(doubtful));
        *self.view.write() = Arc::new(view(blocks, manifest));
        drop(before);
        leftovers.retired.extend(retired);
        self.remove_leftovers(&mut leftovers);
        Ok(())
    }

    fn put(&self, added: &[BlockEntry]) -> io::Result<Vec<Arc<B>>> {
        added
            .iter()
            .map(|entry| {
                self.files.put(&entry.file_name(), &self.unfinished(entry))?;
                open_block(&*self.files, entry, &self.shared)
            })
            .collect()
    }

    /// Removes blocks that were put, or not, and that no commit was tried with.
    fn discard_put(&self, entries: &[BlockEntry], leftovers: &mut Leftovers<B>) {
        for entry in entries {
            // Where it was put it is not here any more.
            let _ = self.disk.remove(&self.unfinished(entry));
        }
        leftovers.gone.extend(entries.iter().map(BlockEntry::file_name));
        self.remove_leftovers(leftovers);
    }

    /// Removes the files of blocks that no longer count and that nobody reads any more, and tries again what failed before:
    /// to open blocks, and to bring the bucket's catalogue up to date.
    pub fn sweep(&self) {
        let mut leftovers = self.leftovers.lock();
        if !leftovers.patience.is_over() {
            return;
        }
        self.report_damage();
        if self.catalogue.mirror_is_behind()
            && let Err(error) = self.catalogue.mirror()
        {
            tracing::warn!(%error, "the bucket's catalogue stays behind");
            leftovers.patience.failed();
        }
        self.remove_leftovers(&mut leftovers);
        self.open_closed();
    }

    /// Removes what can be removed, the youngest first and none after a failure: the last block of a job that was given up
    /// names what it replaces, and must not outlive those that the job put before it. Nothing goes while the bucket's catalogue
    /// may list it: of a lost disk that one is left, and blocks are missed, or come back, that the one removed has replaced.
    fn remove_leftovers(&self, leftovers: &mut Leftovers<B>) {
        if self.catalogue.mirror_is_behind() {
            return;
        }
        let is_free = |block: &mut Arc<B>| Arc::strong_count(block) == 1;
        let free = leftovers.retired.extract_if(.., is_free).map(|block| block.entry().file_name());
        leftovers.gone.extend(free);
        while let Some(name) = leftovers.gone.last() {
            if let Err(error) = self.files.remove(name) {
                tracing::warn!(name, %error, "a block that no longer counts cannot be removed yet");
                leftovers.patience.failed();
                return;
            }
            leftovers.gone.pop_last();
        }
        leftovers.patience.succeeded();
    }

    /// Opens blocks that could not be opened before.
    fn open_closed(&self) {
        let before = self.view();
        let counts = before.closed().filter(|entry| before.manifest.block(entry.id).is_some());
        let opened: Vec<Arc<B>> =
            counts.filter_map(|entry| open_block(&*self.files, entry, &self.shared).ok()).collect();
        if opened.is_empty() {
            return;
        }
        tracing::info!(blocks = opened.len(), "blocks that could not be opened are back");
        let blocks = before.blocks.iter().cloned().chain(opened).collect();
        *self.view.write() = Arc::new(view(blocks, before.manifest.clone()));
    }

    /// Hides what all blocks of now hold of the series or streams that all matchers match, in `range`; with `filter` only what
    /// that text means to the store. Durable when it answers. The caller has flushed the head before, if what is in it is to
    /// go too, and flushes nothing meanwhile.
    pub fn bury(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        range: TimeRange,
        filter: Option<&str>,
    ) -> io::Result<()> {
        let id = self.reserve_id();
        let tombstone = Tombstone {
            id,
            tenant: tenant.clone(),
            matchers: matchers.iter().map(StoredMatcher::from).collect(),
            range,
            newest_block: id,
            filter: filter.map(str::to_owned),
        };
        self.commit(Vec::new(), &[], |manifest| {
            if manifest.blocks.iter().chain(&manifest.missing).any(|block| tombstone.concerns(block)) {
                manifest.tombstones.push(tombstone);
            }
        })
    }

    /// Notes a row or a block that cannot be read; answers what to tell about it. Each block is logged once, and again by
    /// [`Shelf::sweep`] when twice as much of it could not be read.
    pub fn note_damage(&self, block: &B, error: &io::Error) -> String {
        self.damaged_reads.fetch_add(1, Ordering::Relaxed);
        let name = block.entry().file_name();
        let warning = format!("data is missing from the answer: block {name} cannot be read: {error}");
        let mut damaged = self.damaged.lock();
        let damage = damaged.entry(block.entry().id).or_insert_with(|| {
            tracing::error!(name, %error, "a block cannot be read");
            Damage { reads: 0, logged: 1, warning: warning.clone() }
        });
        damage.reads += 1;
        warning
    }

    fn report_damage(&self) {
        let view = self.view();
        let mut damaged = self.damaged.lock();
        damaged.retain(|id, _| view.manifest.block(*id).is_some());
        for (id, damage) in damaged.iter_mut().filter(|(_, damage)| damage.reads >= 2 * damage.logged) {
            damage.logged = damage.reads;
            let name = crate::catalogue::file_name(*id);
            tracing::error!(name, reads = damage.reads, "rows of a block cannot be read");
        }
    }

    /// What to tell about blocks of a tenant and a range that readers have found damaged so far.
    pub fn met_damage(&self, tenant: &Tenant, range: TimeRange) -> Vec<String> {
        let damaged = self.damaged.lock();
        if damaged.is_empty() {
            return Vec::new();
        }
        let view = self.view();
        view.of(tenant, range).filter_map(|block| Some(damaged.get(&block.entry().id)?.warning.clone())).collect()
    }
}

/// A loss in a sentence.
fn lost(loss: &Loss) -> String {
    let time =
        |t: Timestamp| chrono::DateTime::from_timestamp_millis(t.ms()).map(|t| t.format("%F %T UTC").to_string());
    let span = match (time(loss.range.start), time(loss.range.end)) {
        (Some(start), Some(end)) => format!("between {start} and {end}"),
        (None, Some(end)) => format!("before {end}"),
        _ => "at some time".to_owned(),
    };
    format!("data {span} may be missing from the answer: {}", loss.what)
}

fn view<B: OpenBlock>(mut blocks: Vec<Arc<B>>, manifest: Arc<Manifest>) -> View<B> {
    blocks.sort_unstable_by_key(|block| block.entry().written());
    View { blocks, graves: graves(&manifest), manifest }
}

fn open_block<B: OpenBlock>(files: &dyn FileStore, entry: &BlockEntry, shared: &Arc<B::Shared>) -> io::Result<Arc<B>> {
    let file = files.open_listed(&entry.file_name(), entry.bytes)?;
    Ok(Arc::new(B::open(file, entry.clone(), shared)?))
}

fn graves(manifest: &Manifest) -> Vec<Grave> {
    let grave = |tombstone: &Tombstone| {
        let matchers = tombstone.matchers.iter().map(|m| m.matcher()).collect::<Result<_, _>>();
        let failed = |error| tracing::error!(tombstone.id, %error, "a deletion cannot be followed");
        Some(Grave { tombstone: tombstone.clone(), matchers: matchers.map_err(failed).ok()? })
    };
    manifest.tombstones.iter().filter_map(grave).collect()
}

/// True for an error that says that bytes are not what was written, rather than that they cannot be had just now.
pub fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
