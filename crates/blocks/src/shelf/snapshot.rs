//! A snapshot: a second name for every block that counts now, and a catalogue of its own.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::catalogue::{BlockEntry, Catalogue, Loss};
use crate::files::LocalFiles;
use crate::shelf::{OpenBlock, Shelf};

/// Makes `dir` a store's directory with all blocks that count now. It must not exist. Where blocks lie on the same file system
/// they share their bytes with it.
pub fn snapshot<B: OpenBlock>(shelf: &Shelf<B>, dir: &Path) -> io::Result<()> {
    let disk = shelf.disk();
    let blocks = dir.join("blocks");
    disk.create_dir_all(&blocks)?;
    // As long as the view is held no file of it goes.
    let view = shelf.view();
    let mut entries: HashMap<String, BlockEntry> = HashMap::new();
    for entry in &view.manifest.blocks {
        let name = entry.file_name();
        shelf.files().copy_out(&name, &blocks.join(&name))?;
        entries.insert(name, BlockEntry { replaces: Vec::new(), ..entry.clone() });
    }
    disk.sync_dir(&blocks)?;
    let of_name = |name: &str| entries.get(name).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    let files = Arc::new(LocalFiles::new(disk.clone(), &blocks)?);
    let (catalogue, _) = Catalogue::open(disk.clone(), &dir.join("catalogue.json"), files, &of_name)?;
    catalogue.commit(|manifest| {
        manifest.tombstones = view.manifest.tombstones.clone();
        // Files that were put aside stay where they are.
        manifest.losses = view.manifest.losses.iter().map(|loss| Loss { file: None, ..loss.clone() }).collect();
    })?;
    disk.sync_dir(dir)
}
