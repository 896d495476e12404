//! The shelf of metric blocks.

use std::io;
use std::sync::Arc;

use blocks::disk::ReadFile;
use blocks::shelf::OpenBlock;
use model::{Tenant, Timestamp};

use crate::block::{self, Block, BlockEntry, BlockWriter, Caches, WriterOptions};

pub(crate) use blocks::shelf::{Grave, is_damage};

/// The blocks of one store.
pub(crate) type Shelf = blocks::shelf::Shelf<Block>;
/// What counts at one moment.
pub(crate) type View = blocks::shelf::View<Block>;

impl OpenBlock for Block {
    type Shared = Caches;

    fn open(file: Arc<dyn ReadFile>, entry: BlockEntry, caches: &Arc<Caches>) -> io::Result<Self> {
        Block::open(file, entry, caches.clone())
    }

    fn entry(&self) -> &BlockEntry {
        Block::entry(self)
    }

    fn read_entry(file: &dyn ReadFile, name: &str) -> io::Result<BlockEntry> {
        Ok(block::read_entry(file, name)?.0)
    }
}

/// Begins a block with a new id; answers its writer and the entry to finish it with.
pub(crate) fn create(
    shelf: &Shelf,
    tenant: &Tenant,
    level: u8,
    created: Timestamp,
    options: WriterOptions,
) -> io::Result<(BlockWriter, BlockEntry)> {
    let (entry, path) = shelf.begin(tenant, level, created);
    Ok((BlockWriter::create(shelf.disk().clone(), path, options)?, entry))
}
