//! Blocks that lie elsewhere than they are looked for: those of this disk move into a bucket that is named for the first time,
//! and whoever names another place than the one that holds the blocks is told so.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::catalogue::codec::encode;
use crate::catalogue::{MIRROR_NAME, Manifest, Places, block_id};
use crate::files::FileInfo;

/// Why a catalogue is not opened: its blocks would be out of sight. Says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misplaced(String);

impl Misplaced {
    pub(super) fn error(text: String) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, Misplaced(text))
    }
}

/// What a bucket answered at the start.
pub(super) struct Answer {
    /// It has a catalogue, which is ours.
    pub(super) has_mirror: bool,
    /// Its files, or why they are not known.
    pub(super) listing: io::Result<Vec<FileInfo>>,
}

fn sizes(listing: &[FileInfo]) -> BTreeMap<&str, u64> {
    listing.iter().map(|file| (file.name.as_str(), file.bytes)).collect()
}

/// Refuses where the catalogue's blocks lie in another bucket, or in one at all, and are not here as well.
pub(super) fn refuse_elsewhere(places: &Places, manifest: &Manifest, answer: &Answer) -> io::Result<()> {
    let (Some(bucket), Ok(listing)) = (&manifest.bucket, &answer.listing) else { return Ok(()) };
    let here = places.files.describe();
    if answer.has_mirror || (places.files.is_remote() && here == *bucket) {
        return Ok(());
    }
    let sizes = sizes(listing);
    let absent = manifest.blocks.iter().filter(|block| !sizes.contains_key(block.file_name().as_str())).count();
    if absent == 0 {
        return Ok(());
    }
    let all = manifest.blocks.len();
    let way_out = match places.files.is_remote() {
        true => "copy everything below that address, catalogue.json last,",
        false => "copy all *.parquet files below that address",
    };
    Err(Misplaced::error(format!(
        "{absent} of {all} blocks are not in {here}: they lie in {bucket}; start with --blocks {bucket}, or {way_out} to {here} and \
         start again"
    )))
}

/// Moves the listed blocks that lie beside the catalogue into the bucket, in the order of their numbers; answers how many.
///
/// The catalogue goes first, so that no other Afferent takes the place meanwhile. A block is in both places before it goes from
/// this disk, so whatever ends this, the next start goes on with the rest.
pub(super) fn into_bucket(places: &Places, base: Option<&Manifest>, answer: &mut Answer) -> io::Result<usize> {
    if !places.files.is_remote() {
        return Ok(0);
    }
    let dir = places.local_blocks();
    let mut waiting = local_blocks(places)?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let (shown, place) = (dir.display(), places.files.describe());
    let Some(base) = base else {
        return Err(Misplaced::error(format!(
            "{shown} holds blocks and there is no catalogue of them: start once without --blocks, which makes one, and then with \
             --blocks {place}"
        )));
    };
    waiting.retain(|(id, _)| base.block(*id).is_some() || base.missing.iter().any(|block| block.id == *id));
    let count = waiting.len();
    if count == 0 {
        return Ok(0);
    }
    let stays = |what: String| {
        Misplaced::error(format!(
            "{count} blocks still lie in {shown} and are to move to {place}, but {what}; nothing is lost: start again when this is \
             mended, or start without --blocks"
        ))
    };
    let listing = answer.listing.as_ref().map_err(|error| stays(error.to_string()))?;
    if !answer.has_mirror {
        if listing.iter().any(|file| block_id(&file.name).is_some()) {
            return Err(stays(
                "it holds blocks of something else: give each Afferent its own path in the bucket".to_owned(),
            ));
        }
        places.files.put_bytes(MIRROR_NAME, &encode(base)?).map_err(|error| stays(error.to_string()))?;
        answer.has_mirror = true;
    }
    tracing::info!(blocks = count, from = %shown, to = place, "blocks move into the bucket");
    let there = sizes(listing);
    for (moved, (id, path)) in waiting.iter().enumerate() {
        let name = crate::catalogue::file_name(*id);
        let length = places.disk.open(path).and_then(|file| file.len()).map_err(|error| stays(error.to_string()))?;
        let moving = match there.get(name.as_str()) == Some(&length) {
            true => places.disk.remove(path),
            false => places.files.put(&name, path),
        };
        moving.map_err(|error| stays(format!("{name} cannot be moved: {error}")))?;
        if moved % 100 == 99 {
            tracing::info!(moved = moved + 1, of = count, "blocks move into the bucket");
        }
    }
    answer.listing = places.files.list();
    tracing::info!(blocks = count, to = place, "blocks are in the bucket");
    Ok(count)
}

/// Numbers and paths of the finished blocks beside the catalogue.
fn local_blocks(places: &Places) -> io::Result<Vec<(u64, PathBuf)>> {
    let dir = places.local_blocks();
    let names = match places.disk.list(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed?,
    };
    let mut blocks: Vec<(u64, PathBuf)> = names.iter().filter_map(|n| Some((block_id(n)?, dir.join(n)))).collect();
    blocks.sort_unstable();
    Ok(blocks)
}
