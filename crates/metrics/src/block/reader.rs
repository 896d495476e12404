//! An open block: its file, its layout, and the columns and pages that are read of it through the cache.

use std::io;
use std::sync::{Arc, OnceLock};

use blocks::disk::ReadFile;

use super::cache::{self, Caches, Key, Kind};
use super::labels::{LabelColumn, NumberColumn};
use super::layout::{Layout, Piece};
use super::page::{self, Page};
use super::recent;
use super::rest::{Half, Rest};
use super::{BlockEntry, Cursor};
use crate::bytes::Damaged;

/// Bytes that a walk over all rows keeps at hand: what a batch of rows needs.
const CURSOR_CACHE: usize = 16 << 20;

/// A block.
#[derive(Debug)]
pub(crate) struct Block {
    entry: BlockEntry,
    name: String,
    file: Arc<dyn ReadFile>,
    caches: Arc<Caches>,
    number: u64,
    layout: OnceLock<Arc<Layout>>,
}

impl Drop for Block {
    fn drop(&mut self) {
        let number = self.number;
        self.caches.forget(|key| key.block == number);
    }
}

impl Block {
    /// Opens a block. Its footer is read when it is first needed, so that a start does not wait for it.
    pub(crate) fn open(file: Arc<dyn ReadFile>, entry: BlockEntry, caches: Arc<Caches>) -> io::Result<Block> {
        let number = cache::next_block();
        let name = entry.file_name();
        Ok(Block { entry, name, file, caches, number, layout: OnceLock::new() })
    }

    /// What the catalogue says of it.
    pub(crate) fn entry(&self) -> &BlockEntry {
        &self.entry
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> io::Result<u32> {
        Ok(self.layout()?.rows)
    }

    /// Rows in order, with everything that they hold. A walk has a small cache of its own, so that it drives nothing out of the
    /// one that queries share.
    pub(crate) fn cursor(&self) -> Cursor {
        let block = Block {
            entry: self.entry.clone(),
            name: self.name.clone(),
            file: self.file.clone(),
            caches: Arc::new(Caches::new(CURSOR_CACHE)),
            number: cache::next_block(),
            layout: self.layout.clone(),
        };
        Cursor::new(block)
    }

    pub(super) fn layout(&self) -> io::Result<&Layout> {
        if let Some(layout) = self.layout.get() {
            return Ok(layout);
        }
        let layout = Layout::read(&*self.file, &self.name).map_err(|error| self.named(error, None))?;
        Ok(self.layout.get_or_init(|| Arc::new(layout)))
    }

    /// Damage, with the names of file and column. A file that ends too early is damaged too.
    pub(super) fn named(&self, error: io::Error, column: Option<usize>) -> io::Error {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {}
            _ => return error,
        }
        let column = column.and_then(|column| Some(self.layout.get()?.column_name(column)));
        let place = column.map_or(String::new(), |column| format!(", column {column}"));
        io::Error::new(io::ErrorKind::InvalidData, format!("block {}{place}: {error}", self.name))
    }

    pub(super) fn damaged(&self, column: usize, damage: Damaged) -> io::Error {
        self.named(io::Error::new(io::ErrorKind::InvalidData, damage), Some(column))
    }

    pub(super) fn key(&self, group: usize, column: usize, item: usize, kind: Kind) -> Key {
        Key { block: self.number, group: group as u32, column: column as u32, item: item as u32, kind }
    }

    pub(super) fn page(&self, column: usize, piece: &Piece, is_packed: bool) -> io::Result<Page> {
        page::read(&*self.file, piece, is_packed).map_err(|error| self.named(error, Some(column)))
    }

    /// What `load` makes, from the cache if it is there. What a thread used last, it finds again without the cache's lock.
    pub(super) fn cached<T: Send + Sync + 'static>(
        &self,
        key: Key,
        load: impl FnOnce() -> io::Result<(T, usize)>,
    ) -> io::Result<Arc<T>> {
        if let Some(value) = recent::find(&key) {
            return Ok(value);
        }
        let value = self.caches.get_or_load(key, load)?;
        recent::remember(key, &value);
        Ok(value)
    }

    /// True where no row of the group has a value in the column.
    pub(super) fn is_empty(&self, group: usize, column: usize) -> bool {
        self.layout.get().is_some_and(|layout| layout.groups[group].chunks[column].is_empty)
    }

    /// The dictionary and all pages of a column chunk.
    pub(super) fn chunk(&self, group: usize, column: usize) -> io::Result<(Option<Page>, Vec<Page>)> {
        let chunk = &self.layout()?.groups[group].chunks[column];
        let dictionary = chunk.dictionary.map(|piece| self.page(column, &piece, chunk.is_packed)).transpose()?;
        let pages = chunk.pages.iter().map(|piece| self.page(column, piece, chunk.is_packed));
        Ok((dictionary, pages.collect::<io::Result<_>>()?))
    }

    pub(super) fn texts(&self, group: usize, column: usize) -> io::Result<Arc<LabelColumn>> {
        self.cached(self.key(group, column, 0, Kind::Column), || {
            let (dictionary, pages) = self.chunk(group, column)?;
            let rows = self.layout()?.groups[group].rows as usize;
            let texts = LabelColumn::decode(dictionary.as_ref(), &pages, rows);
            let texts = texts.map_err(|damage| self.damaged(column, damage))?;
            let bytes = texts.memory();
            Ok((texts, bytes))
        })
    }

    /// A column of numbers: times or counts.
    pub(super) fn numbers(&self, group: usize, column: usize) -> io::Result<Arc<NumberColumn>> {
        self.cached(self.key(group, column, 0, Kind::Column), || {
            let (dictionary, pages) = self.chunk(group, column)?;
            let layout = self.layout()?;
            let rows = layout.groups[group].rows as usize;
            let size = if column == layout.columns.count { 4 } else { 8 };
            let dictionary = dictionary.ok_or(Damaged("a column has no dictionary"));
            let numbers = dictionary.and_then(|dictionary| NumberColumn::decode(&dictionary, &pages, rows, size));
            let numbers = numbers.map_err(|damage| self.damaged(column, damage))?;
            let bytes = numbers.memory();
            Ok((numbers, bytes))
        })
    }

    pub(super) fn rest(&self, group: usize) -> io::Result<Option<Arc<Rest>>> {
        let Some((keys, values)) = self.layout()?.rest.filter(|(keys, _)| !self.is_empty(group, *keys)) else {
            return Ok(None);
        };
        let rest = self.cached(self.key(group, keys, 0, Kind::Column), || {
            let rows = self.layout()?.groups[group].rows as usize;
            let half = |column| -> io::Result<Half> {
                let (dictionary, pages) = self.chunk(group, column)?;
                let half = match (&dictionary, &pages[..]) {
                    (Some(dictionary), [page]) => Half::decode(dictionary, page, rows),
                    _ => Err(Damaged("it is not one page with a dictionary")),
                };
                half.map_err(|damage| self.damaged(column, damage))
            };
            let rest = Rest::new(half(keys)?, half(values)?).map_err(|damage| self.damaged(values, damage))?;
            let bytes = rest.memory();
            Ok((rest, bytes))
        })?;
        Ok(Some(rest))
    }

    /// The column of a label in a row group; `None` where no row of the group has it.
    pub(super) fn label(&self, group: usize, name: &str) -> io::Result<Option<Arc<LabelColumn>>> {
        if let Some(column) = self.layout()?.label(name) {
            if self.is_empty(group, column) {
                return Ok(None);
            }
            return Ok(Some(self.texts(group, column)?));
        }
        let Some(rest) = self.rest(group)? else { return Ok(None) };
        if rest.names().find(name).is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(rest.column(name))))
    }

    pub(super) fn locate(&self, row: u32) -> io::Result<(usize, usize)> {
        let place = self.layout()?.locate(row);
        place.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a block does not have that row"))
    }
}
