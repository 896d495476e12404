//! An open block: its index, and pages that are read part by part.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blocks::bytes::Damaged;
use blocks::cache::Cache;
use blocks::catalogue::BlockEntry;
use blocks::disk::ReadFile;
use blocks::shelf::OpenBlock;
use model::{Column, FieldColumn, LineFormat, Lines, LogPage, NamedColumn, PageInfo, Reservation, SourceError};
use parking_lot::Mutex;

use super::index::{Index, Row, TAIL, TRAILER};
use super::writer::Raw;
use crate::entries::Entries;
use crate::filter::{BLOCK, Question};
use crate::page::{Case, PageHead};

/// What is cached of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Index,
    Head,
}

/// Where a cached value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    block: u64,
    row: u32,
    part: Part,
}

impl blocks::cache::CacheKey for CacheKey {
    fn spread(&self) -> u64 {
        (self.block << 32 ^ u64::from(self.row) << 1 ^ self.part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// A number for a block that is being opened, unique within the process.
static BLOCKS: AtomicU64 = AtomicU64::new(0);

/// An open block.
#[derive(Debug)]
pub(crate) struct Block {
    entry: BlockEntry,
    file: Arc<dyn ReadFile>,
    cache: Arc<Cache<CacheKey>>,
    number: u64,
    /// Pages that were found damaged.
    bad: Mutex<HashSet<u32>>,
}

impl Drop for Block {
    fn drop(&mut self) {
        let number = self.number;
        self.cache.forget(|key| key.block == number);
    }
}

impl OpenBlock for Block {
    type Shared = Cache<CacheKey>;

    fn open(file: Arc<dyn ReadFile>, entry: BlockEntry, cache: &Arc<Self::Shared>) -> io::Result<Self> {
        Ok(Block {
            entry,
            file,
            cache: cache.clone(),
            number: BLOCKS.fetch_add(1, Ordering::Relaxed),
            bad: Mutex::default(),
        })
    }

    fn entry(&self) -> &BlockEntry {
        &self.entry
    }

    fn read_entry(file: &dyn ReadFile, name: &str) -> io::Result<BlockEntry> {
        let length = file.len()?;
        let mut entry = read_index(file, length, name)?.entry;
        entry.bytes = length;
        Ok(entry)
    }
}

fn damaged(name: &str, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("block {name}: {what}"))
}

fn read_index(file: &dyn ReadFile, length: u64, name: &str) -> io::Result<Index> {
    let short = || damaged(name, "it is too short");
    let mut tail = [0; TAIL];
    let tail_at = length.checked_sub(TAIL as u64).ok_or_else(short)?;
    file.read_at(&mut tail, tail_at)?;
    if tail[4..] != *b"PAR1" {
        return Err(damaged(name, "it has no footer"));
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let trailer_at = tail_at.checked_sub(footer + TRAILER as u64).ok_or_else(short)?;
    let mut trailer = [0; TRAILER];
    file.read_at(&mut trailer, trailer_at)?;
    let (bytes, crc) = Index::length(&trailer).map_err(|e| damaged(name, e))?;
    let index_at = trailer_at.checked_sub(bytes as u64).ok_or_else(short)?;
    let mut bytes = vec![0; bytes];
    file.read_at(&mut bytes, index_at)?;
    if crc32fast::hash(&bytes) != crc {
        return Err(damaged(name, "its index has another checksum"));
    }
    let index = Index::decode(&bytes).map_err(|e| damaged(name, e))?;
    let fits = |at: u64, bytes: u64| at.checked_add(bytes).is_some_and(|end| end <= length);
    let inside = |row: &Row| {
        fits(row.body_at, u64::from(row.body_bytes)) && fits(row.filter_at, row.shape.filter.bytes() as u64)
    };
    if index.rows.iter().all(inside) { Ok(index) } else { Err(damaged(name, "a page lies outside of the file")) }
}

/// Errors on the way to a part of a page.
enum Failed {
    Io(io::Error),
    Damaged(Damaged),
}

impl From<Damaged> for Failed {
    fn from(damaged: Damaged) -> Self {
        Failed::Damaged(damaged)
    }
}

impl Block {
    fn name(&self) -> String {
        self.entry.file_name()
    }

    /// Remembers that a page is damaged.
    pub(crate) fn note_bad(&self, number: u32) {
        self.bad.lock().insert(number);
    }

    /// True where a page was found damaged.
    pub(crate) fn is_bad(&self, number: u32) -> bool {
        self.bad.lock().contains(&number)
    }

    /// Its index.
    pub(crate) fn index(&self) -> io::Result<Arc<Index>> {
        let key = CacheKey { block: self.number, row: 0, part: Part::Index };
        self.cache.get_or_load(key, || {
            let index = read_index(&*self.file, self.entry.bytes, &self.name())?;
            let memory = index.memory();
            Ok((index, memory))
        })
    }

    fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_at(&mut bytes, at)?;
        Ok(bytes)
    }

    fn head(&self, number: u32, row: &Row) -> io::Result<Arc<PageHead>> {
        let key = CacheKey { block: self.number, row: number, part: Part::Head };
        self.cache.get_or_load(key, || {
            let bytes = self.read(row.body_at, row.shape.head_bytes as usize)?;
            if crc32fast::hash(&bytes) != row.shape.head_crc {
                return Err(damaged(&self.name(), "the head of a page has another checksum"));
            }
            let head = PageHead::decode(&bytes, row.info.entries as usize).map_err(|e| damaged(&self.name(), e))?;
            let memory = head.memory();
            Ok((head, memory))
        })
    }

    fn part<'f, T>(
        &'f self,
        row: &'f Row,
        read: impl FnOnce(&dyn Fn(u64, usize) -> Result<Cow<'f, [u8]>, Failed>) -> Result<T, Failed>,
    ) -> io::Result<T> {
        let fetch = |offset: u64, length: usize| {
            if offset + length as u64 > u64::from(row.body_bytes) {
                return Err(Failed::Damaged(Damaged("a section lies outside of its page")));
            }
            self.read(row.body_at + offset, length).map(Cow::Owned).map_err(Failed::Io)
        };
        read(&fetch).map_err(|failed| match failed {
            Failed::Io(error) => error,
            Failed::Damaged(what) => damaged(&self.name(), what),
        })
    }

    /// The lines of a page, all or those at some places.
    fn lines(&self, number: u32, row: &Row, places: Option<&[u32]>) -> io::Result<Lines> {
        let head = self.head(number, row)?;
        // One read for all sections.
        let (head_bytes, rest) = (u64::from(row.shape.head_bytes), row.body_bytes - row.shape.head_bytes);
        let body = self.read(row.body_at + head_bytes, rest as usize)?;
        let fetch = |offset: u64, length: usize| {
            let from = (offset - head_bytes) as usize;
            let bytes = body.get(from..from.saturating_add(length));
            bytes.map(Cow::Borrowed).ok_or(Damaged("a section lies outside of its page"))
        };
        head.lines(row.info.line_bytes, places, &fetch).map_err(|what| damaged(&self.name(), what))
    }

    fn timestamps(&self, number: u32, row: &Row) -> io::Result<Arc<[i64]>> {
        let head = self.head(number, row)?;
        self.part(row, |fetch| head.timestamps(fetch))
    }

    fn metadata(&self, number: u32, row: &Row) -> io::Result<Vec<NamedColumn>> {
        let head = self.head(number, row)?;
        self.part(row, |fetch| head.metadata(fetch))
    }

    /// A page with everything in it.
    pub(crate) fn entries(&self, number: u32, row: &Row) -> io::Result<Entries> {
        let timestamps = self.timestamps(number, row)?;
        let lines = self.lines(number, row, None)?;
        let metadata = self.metadata(number, row)?;
        let mut entries = Entries::default();
        let mut texts: Vec<(&str, String)> = Vec::new();
        for (at, time) in timestamps.iter().enumerate() {
            texts.clear();
            for column in &metadata {
                texts.extend(text(&column.values, at).map(|value| (&*column.name, value)));
            }
            entries.push(*time, lines.get(at), texts.iter().map(|(name, value)| (*name, value.as_str())));
        }
        Ok(entries)
    }

    /// A page as it lies in the file, its checksums not looked at.
    pub(crate) fn raw(&self, row: &Row) -> io::Result<Raw> {
        let body = self.read(row.body_at, row.body_bytes as usize)?;
        if crc32fast::hash(&body[..row.shape.head_bytes as usize]) != row.shape.head_crc {
            return Err(damaged(&self.name(), "the head of a page has another checksum"));
        }
        let filter = self.read(row.filter_at, row.shape.filter.bytes())?;
        Ok(Raw { info: row.info, shape: row.shape, body, filter })
    }

    /// False only where no line of the page can hold what is asked for.
    pub(crate) fn may_contain(&self, row: &Row, question: &Question) -> bool {
        question.may_be_in(&row.shape.filter, |block, bytes| {
            self.file.read_at(bytes, row.filter_at + (block * BLOCK) as u64).is_ok()
        })
    }
}

/// The text of an entry's metadata.
fn text(column: &Column, at: usize) -> Option<String> {
    match column {
        Column::Dictionary { values, codes } => values.get(codes[at] as usize).map(|value| value.to_string()),
        Column::Texts { values, present } => {
            let is_there = present.as_ref().is_none_or(|present| present[at]);
            is_there.then(|| String::from_utf8_lossy(values.get(at)).into_owned())
        }
        Column::Integers { .. } | Column::Floats { .. } => None,
    }
}

/// Takes note of an error of a page; answers what its reader is told.
pub(crate) type Told = Arc<dyn Fn(&Block, io::Error) -> SourceError + Send + Sync>;

/// A page of a block for a reader.
pub(crate) struct BlockPage {
    pub(crate) block: Arc<Block>,
    pub(crate) number: u32,
    pub(crate) row: Row,
    pub(crate) memory: Option<Arc<Reservation>>,
    /// Told of damage.
    pub(crate) told: Told,
}

impl BlockPage {
    fn sound<T>(&self, result: io::Result<T>) -> Result<T, SourceError> {
        result.map_err(|error| (self.told)(&self.block, error))
    }

    fn search(&self, text: &[u8], case: Case) -> Result<Option<Vec<u32>>, SourceError> {
        let _room = self.ask(self.row.info.line_bytes / 2)?;
        let head = self.sound(self.block.head(self.number, &self.row))?;
        self.sound(self.block.part(&self.row, |fetch| head.find(text, case, fetch)))
    }

    /// Asks for memory for as long as the reader runs what it asked for.
    fn ask(&self, bytes: u64) -> Result<model::Held, SourceError> {
        let mut held = model::Held::of(self.memory.as_ref());
        held.add(bytes as usize)?;
        Ok(held)
    }
}

impl LogPage for BlockPage {
    fn info(&self) -> PageInfo {
        self.row.info
    }

    fn may_contain(&self, fragment: &[u8]) -> bool {
        self.block.may_contain(&self.row, &Question::of(fragment))
    }

    fn may_contain_word(&self, word: &[u8]) -> bool {
        self.block.may_contain(&self.row, &Question::of_word(word))
    }

    fn timestamps(&self) -> Result<Arc<[i64]>, SourceError> {
        let _room = self.ask(u64::from(self.row.info.entries) * 8)?;
        self.sound(self.block.timestamps(self.number, &self.row))
    }

    fn count_until(&self, times: &[i64]) -> Result<Vec<u32>, SourceError> {
        let head = self.sound(self.block.head(self.number, &self.row))?;
        self.sound(self.block.part(&self.row, |fetch| head.count_until(times, fetch)))
    }

    fn lines(&self) -> Result<Arc<Lines>, SourceError> {
        // What the answer takes is the reader's to account for; here it is asked whether there is room at all.
        let _room = self.ask(self.row.info.line_bytes + u64::from(self.row.info.entries) * 5)?;
        self.sound(self.block.lines(self.number, &self.row, None)).map(Arc::new)
    }

    fn lines_at(&self, places: &[u32]) -> Result<Lines, SourceError> {
        let _room = self.ask(self.row.info.line_bytes)?;
        self.sound(self.block.lines(self.number, &self.row, Some(places)))
    }

    fn find(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        self.search(text, Case::Same)
    }

    fn find_in_any_case(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        self.search(text, Case::Any)
    }

    fn metadata(&self) -> Result<Arc<[NamedColumn]>, SourceError> {
        let _room = self.ask(self.row.info.metadata_bytes)?;
        self.sound(self.block.metadata(self.number, &self.row)).map(Arc::from)
    }

    fn column(&self, format: LineFormat, field: &str) -> Result<Option<Arc<Column>>, SourceError> {
        if !self.is_all(format) {
            return Ok(None);
        }
        let head = self.sound(self.block.head(self.number, &self.row))?;
        let column = self.block.part(&self.row, |fetch| head.column(format, field, fetch));
        Ok(self.sound(column)?.map(Arc::new))
    }

    fn field(&self, format: LineFormat, field: &str) -> Result<Option<FieldColumn>, SourceError> {
        if !self.is_all(format) {
            return Ok(None);
        }
        let head = self.sound(self.block.head(self.number, &self.row))?;
        self.sound(self.block.part(&self.row, |fetch| head.field(format, field, fetch)))
    }

    fn may_have_metadata(&self, name: &str) -> bool {
        // A head that cannot be read says nothing; whoever reads on meets the error.
        let has = || self.block.head(self.number, &self.row).map_or(true, |head| head.has_metadata(name));
        self.row.info.metadata_bytes > 0 && has()
    }

    fn is_none(&self, format: LineFormat) -> bool {
        format == LineFormat::Json && self.row.shape.no_json
    }

    fn is_all(&self, format: LineFormat) -> bool {
        match format {
            LineFormat::Json => self.row.shape.is_json,
            LineFormat::Logfmt => self.row.shape.is_logfmt,
        }
    }

    fn fields(&self, format: LineFormat) -> Vec<String> {
        let fields = self
            .block
            .head(self.number, &self.row)
            .and_then(|head| self.block.part(&self.row, |fetch| head.fields(format, fetch)));
        fields.unwrap_or_default()
    }
}
