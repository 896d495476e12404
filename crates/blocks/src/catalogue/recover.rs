//! What counts after a start: which manifest to trust, and what to make of files that it does not list.
//!
//! Only the manifest that was committed last, or its copy, which is never older, may condemn a file. Where both are damaged
//! or gone, an unlisted file may hold samples that were acknowledged, so it is taken in by what it says of itself, unless the
//! manifest at hand knows that it counts no more: it may hold samples that were deleted since, or that others stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

use crate::catalogue::codec::{Decoded, decode, encode};
use crate::catalogue::relocate::{self, Answer, Misplaced};
use crate::catalogue::{BlockEntry, MIRROR_NAME, Manifest, Places, block_id};
use crate::disk::Disk;
use crate::files::FileStore;

/// Where the manifest came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// There was nothing yet.
    Fresh,
    /// The manifest itself.
    Manifest,
    /// Its copy on this disk.
    Copy,
    /// The bucket's, which was the only one or the newest.
    Mirror,
    /// The block files: no manifest was left.
    Files,
}

/// What the start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Where the manifest came from.
    pub source: Source,
    /// Blocks taken in by what their files say, although the manifest at hand did not list them.
    pub adopted: Vec<u64>,
    /// Blocks whose file is not there.
    pub missing: Vec<u64>,
    /// Files that could not be read when they had to be; kept.
    pub unreadable: Vec<String>,
    /// Files that no manifest listed and that were removed.
    pub removed: Vec<String>,
    /// Blocks that moved from this disk into the bucket.
    pub moved: usize,
    /// What went wrong and was got over, for the log.
    pub problems: Vec<String>,
}

/// Why a catalogue cannot be opened where none is here: the bucket, which may hold one, cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("no catalogue is here, and {place} cannot be read: {reason}")]
pub struct Unreachable {
    /// The bucket.
    place: String,
    /// What it, or the way to it, said.
    reason: String,
}

impl Unreachable {
    fn new(place: &str, error: &io::Error) -> Self {
        let reason = error.to_string();
        let own = reason.strip_prefix(place).and_then(|rest| rest.strip_prefix(": ")).map(str::to_owned);
        Unreachable { place: place.to_owned(), reason: own.unwrap_or(reason) }
    }
}

enum Loaded {
    Good(Manifest),
    Absent,
    Damaged,
}

/// Finds out what counts; also answers the version of the bucket's manifest.
pub(super) fn recover(
    places: &Places,
    read_entry: &dyn Fn(&str) -> io::Result<BlockEntry>,
) -> io::Result<(Manifest, Option<u64>, Recovery)> {
    let mut recovery = Recovery {
        source: Source::Fresh,
        adopted: Vec::new(),
        missing: Vec::new(),
        unreadable: Vec::new(),
        removed: Vec::new(),
        moved: 0,
        problems: Vec::new(),
    };
    let main = load(places.disk.as_ref(), &places.path, &mut recovery.problems)?;
    let main_damaged = matches!(main, Loaded::Damaged);
    let copy = load(places.disk.as_ref(), &places.copy(), &mut recovery.problems)?;
    // A commit that failed may have left a copy that speaks of files which are removed below.
    let copy_differs = match (&main, &copy) {
        (Loaded::Good(main), Loaded::Good(copy)) => main != copy,
        _ => true,
    };
    let mut base = match (main, copy) {
        (Loaded::Good(manifest), _) => Some((Source::Manifest, manifest)),
        (_, Loaded::Good(manifest)) => Some((Source::Copy, manifest)),
        _ => None,
    };
    let mirror = match load_mirror(places.files.as_ref(), &mut recovery.problems) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Err(error),
        other => other,
    };
    // A bucket that did not answer once is not asked again: each time costs all retries.
    let listing = match &mirror {
        Ok(_) => places.files.list(),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    let is_new_bucket = matches!(&mirror, Ok(Loaded::Absent));
    let mut mirrored = None;
    if let Ok(Loaded::Good(mirror)) = mirror {
        mirrored = Some(mirror.version);
        base = newest(base, mirror, places.files.as_ref())?;
    }
    let mut answer = Answer { has_mirror: mirrored.is_some(), listing };
    let known = base.as_ref().map(|(_, manifest)| manifest);
    recovery.moved = relocate::into_bucket(places, known, &mut answer)?;
    if let Some(manifest) = known {
        relocate::refuse_elsewhere(places, manifest, &answer)?;
        mirrored = mirrored.or_else(|| answer.has_mirror.then_some(manifest.version));
    }
    let listing = match answer.listing {
        Ok(listing) => Some(listing),
        Err(error) if base.is_none() => {
            return Err(io::Error::new(error.kind(), Unreachable::new(&places.files.describe(), &error)));
        }
        Err(error) => {
            recovery.problems.push(format!("{} cannot be listed: {error}", places.files.describe()));
            None
        }
    };

    let source = base.as_ref().map(|(source, _)| *source);
    let before = base.map(|(_, manifest)| manifest).unwrap_or_default();
    let mut manifest = before.clone();
    if manifest.owner == 0 {
        manifest.owner = new_owner();
    }
    let trusted = matches!(source, Some(Source::Manifest | Source::Copy));
    // A bucket without a manifest was never ours: what lies there is not ours to remove.
    let ours = !places.files.is_remote() || mirrored.is_some();
    if let Some(listing) = &listing {
        let sizes: BTreeMap<&str, u64> = listing.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
        settle(&mut manifest, &sizes, trusted, read_entry, &mut recovery);
        if ours {
            let leftovers = sizes.keys().filter(|name| is_leftover(name, &manifest));
            manifest.gone = leftovers.filter_map(|name| block_id(name)).collect();
        }
    }
    if is_new_bucket {
        manifest.gone.clear();
    }
    manifest.bucket = places.files.is_remote().then(|| places.files.describe());
    recovery.source = source.unwrap_or(if recovery.adopted.is_empty() { Source::Fresh } else { Source::Files });
    manifest.next_id = first_free_id(&manifest, listing.iter().flatten().map(|file| file.name.as_str()));

    if main_damaged {
        let aside = places.path.with_extension("damaged.json");
        if let Err(error) = places.disk.rename(&places.path, &aside) {
            recovery.problems.push(format!("the damaged catalogue cannot be put aside: {error}"));
        }
    }
    let same_but_for_ids = Manifest { next_id: before.next_id, ..manifest.clone() } == before;
    if !trusted || copy_differs || !same_but_for_ids {
        manifest.version += 1;
        if let Err(error) = places.save(&manifest) {
            recovery.problems.push(format!("the recovered catalogue cannot be written: {error}"));
            return Ok((manifest, mirrored, recovery));
        }
    }
    let leftovers = listing.iter().flatten().map(|file| file.name.as_str()).filter(|name| is_leftover(name, &manifest));
    let leftovers: Vec<&str> = leftovers.collect();
    if ours && !leftovers.is_empty() {
        match tell(places, &manifest, &mut mirrored) {
            Ok(()) => remove_leftovers(places, leftovers, &mut recovery),
            Err(error) => recovery.problems.push(format!("{} cannot be written: {error}", places.files.describe())),
        }
    }
    Ok((manifest, mirrored, recovery))
}

/// Brings the bucket's manifest up to date, so that it does not list what is removed next.
fn tell(places: &Places, manifest: &Manifest, mirrored: &mut Option<u64>) -> io::Result<()> {
    if places.files.is_remote() && *mirrored != Some(manifest.version) {
        places.files.put_bytes(MIRROR_NAME, &encode(manifest)?)?;
        *mirrored = Some(manifest.version);
    }
    Ok(())
}

/// Removes files that do not count, the youngest first and none after a failure: the last block of a job that was given up
/// names what it replaces, and must not outlive those that the job put before it.
fn remove_leftovers(places: &Places, mut names: Vec<&str>, recovery: &mut Recovery) {
    names.sort_unstable_by(|a, b| b.cmp(a));
    for name in names {
        if let Err(error) = places.files.remove(name) {
            recovery.problems.push(format!("{name} cannot be removed: {error}"));
            return;
        }
        recovery.removed.push(name.to_owned());
    }
}

fn load(disk: &dyn Disk, path: &Path, problems: &mut Vec<String>) -> io::Result<Loaded> {
    let bytes = match disk.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Absent),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Err(error) => {
            problems.push(format!("{} cannot be read: {error}", path.display()));
            return Ok(Loaded::Damaged);
        }
    };
    match decode(&bytes) {
        Decoded::Good(manifest) => Ok(Loaded::Good(manifest)),
        Decoded::Damaged(reason) => {
            problems.push(format!("{} is damaged: {reason}", path.display()));
            Ok(Loaded::Damaged)
        }
        Decoded::Foreign(format) => Err(newer(&path.display().to_string(), format)),
    }
}

fn newer(place: &str, format: u32) -> io::Error {
    let text = format!("{place} has format {format}: it was written by a newer Afferent; start that version");
    io::Error::new(io::ErrorKind::Unsupported, text)
}

fn load_mirror(files: &dyn FileStore, problems: &mut Vec<String>) -> io::Result<Loaded> {
    if !files.is_remote() {
        return Ok(Loaded::Absent);
    }
    let place = || format!("{} of {}", MIRROR_NAME, files.describe());
    let bytes = match files.read(MIRROR_NAME) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Absent),
        Err(error) => return Err(error),
    };
    match decode(&bytes) {
        Decoded::Good(manifest) => Ok(Loaded::Good(manifest)),
        Decoded::Damaged(reason) => {
            problems.push(format!("{} is damaged: {reason}", place()));
            Ok(Loaded::Damaged)
        }
        Decoded::Foreign(format) => Err(newer(&place(), format)),
    }
}

/// Chooses between a manifest from this disk and the bucket's. The log belongs to this disk, so the bucket's manifest says
/// nothing of it.
fn newest(
    local: Option<(Source, Manifest)>,
    mirror: Manifest,
    files: &dyn FileStore,
) -> io::Result<Option<(Source, Manifest)>> {
    let Some((source, local)) = local else {
        return Ok(Some((Source::Mirror, Manifest { wal_from: 0, ..mirror })));
    };
    if local.owner != mirror.owner {
        let place = files.describe();
        let text = format!("{place} holds the blocks of another Afferent: give each its own path in the bucket");
        return Err(Misplaced::error(text));
    }
    if local.version >= mirror.version {
        return Ok(Some((source, local)));
    }
    Ok(Some((Source::Mirror, Manifest { wal_from: local.wal_from, ..mirror })))
}

/// A number that no other store has.
fn new_owner() -> u64 {
    // Few enough bits for every reader of JSON.
    RandomState::new().build_hasher().finish() >> 11 | 1
}

/// Brings a manifest in line with the files that are there.
fn settle(
    manifest: &mut Manifest,
    sizes: &BTreeMap<&str, u64>,
    trusted: bool,
    read_entry: &dyn Fn(&str) -> io::Result<BlockEntry>,
    recovery: &mut Recovery,
) {
    let known = std::mem::take(&mut manifest.blocks).into_iter().chain(std::mem::take(&mut manifest.missing));
    let (present, missing): (Vec<_>, Vec<_>) =
        known.partition(|block: &BlockEntry| sizes.contains_key(block.file_name().as_str()));
    manifest.blocks = present;
    manifest.missing = missing;

    let listed: BTreeSet<u64> = manifest.blocks.iter().map(|block| block.id).collect();
    let gone: BTreeSet<u64> = manifest.gone.iter().copied().collect();
    let doubtful = std::mem::take(&mut manifest.unreadable);
    for name in sizes.keys() {
        let Some(id) = block_id(name) else { continue };
        let wanted = !trusted || doubtful.iter().any(|other| other == name);
        if listed.contains(&id) || gone.contains(&id) || !wanted {
            continue;
        }
        match read_entry(name) {
            Ok(entry) if entry.id == id => {
                recovery.adopted.push(id);
                manifest.blocks.push(entry);
            }
            Ok(entry) => {
                recovery.problems.push(format!("{name} says that it is block {}", entry.id));
                manifest.unreadable.push((*name).to_owned());
            }
            Err(error) => {
                recovery.problems.push(format!("{name} cannot be read: {error}"));
                manifest.unreadable.push((*name).to_owned());
            }
        }
    }
    if !recovery.adopted.is_empty() {
        // A block speaks for those put before it by the same job, which are younger than what the job replaces. So it is
        // believed where all of that age are whole, or where it was committed, and they with it.
        let unreadable: BTreeSet<u64> = manifest.unreadable.iter().filter_map(|name| block_id(name)).collect();
        let is_whole = |block: &BlockEntry| {
            let newest_replaced = block.replaces.iter().max().copied().unwrap_or(block.id);
            unreadable.range(newest_replaced.min(block.id)..block.id).next().is_none()
        };
        let believed = manifest.blocks.iter().filter(|block| listed.contains(&block.id) || is_whole(block));
        let replaced: BTreeSet<u64> = believed.flat_map(|block| block.replaces.iter().copied()).collect();
        manifest.blocks.retain(|block| !replaced.contains(&block.id));
        manifest.missing.retain(|block| !replaced.contains(&block.id));
        recovery.adopted.retain(|id| !replaced.contains(id));
    }
    manifest.blocks.sort_unstable_by_key(|block| block.id);
    recovery.missing = manifest.missing.iter().map(|block| block.id).collect();
    recovery.unreadable = manifest.unreadable.clone();
}

/// Above everything that was ever given out, as far as the manifest and the files' names tell.
fn first_free_id<'a>(manifest: &Manifest, names: impl Iterator<Item = &'a str>) -> u64 {
    let blocks = manifest.blocks.iter().chain(&manifest.missing).map(|block| block.id);
    let tombstones = manifest.tombstones.iter().map(|tombstone| tombstone.id);
    let greatest = blocks.chain(tombstones).chain(names.filter_map(block_id)).max();
    manifest.next_id.max(greatest.map_or(1, |id| id.saturating_add(1)))
}

fn is_leftover(name: &str, manifest: &Manifest) -> bool {
    let stays = |id| manifest.block(id).is_some() || manifest.unreadable.iter().any(|other| other == name);
    block_id(name).is_some_and(|id| !stays(id)) || name.ends_with(".tmp")
}
