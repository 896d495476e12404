//! Finding streams in head and blocks, and putting their pages together.
//!
//! A reader looks at the head first, then at the blocks: what a flush moves meanwhile is seen twice, never not at all, and pages that
//! overlap are merged entry by entry anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use blocks::shelf::{Grave, OpenBlock};
use model::{
    Held, LabelRequest, Labels, LogPage, LogRequest, NanoRange, Reservation, SourceError, StreamSet, Tenant, TimeRange,
};
use parking_lot::{Mutex, RwLock};

use crate::block::{Block, BlockPage, Row};
use crate::chunk_page::ChunkPage;
use crate::entries::{Entries, cuts, merge};
use crate::filter::Question;
use crate::head::{Chunk, Head, matches};
use crate::memory_page::MemoryPage;
use crate::shelf::{Filters, Left, Shelf, View, bury, is_damage, left};

/// Lines of a page that is put together for a reader.
const MERGED_BYTES: usize = 2 << 20;
/// What a stream costs beside its labels.
const STREAM_BYTES: usize = 160;

/// The heads of a store by tenant.
pub(crate) type Heads = RwLock<BTreeMap<Tenant, Arc<Mutex<Head>>>>;

/// What reading needs of a store.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) head: Option<Arc<Mutex<Head>>>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) filters: Arc<Filters>,
}

/// A stream that was found.
struct Found {
    labels: Labels,
    chunks: Vec<Arc<Chunk>>,
    rows: Vec<(Arc<Block>, u32, Row)>,
}

type Told = Arc<Mutex<BTreeSet<String>>>;

struct Set {
    streams: Vec<Found>,
    view: Arc<View>,
    reader: Reader,
    questions: Vec<Question>,
    memory: Option<Arc<Reservation>>,
    warnings: Told,
    _held: Held,
}

fn milliseconds(range: NanoRange) -> TimeRange {
    TimeRange::new(range.start.div_euclid(1_000_000), range.end.saturating_sub(1).div_euclid(1_000_000))
}

fn overlaps(row: &Row, range: NanoRange) -> bool {
    row.info.first < range.end && range.start <= row.info.last
}

/// Finds the streams of a request.
pub(crate) fn select(reader: Reader, request: &LogRequest<'_>) -> Result<Box<dyn StreamSet>, SourceError> {
    let warnings = Told::default();
    let mut found: BTreeMap<Labels, Found> = BTreeMap::new();
    let mut held = Held::of(request.memory);
    if let Some(head) = &reader.head {
        for taken in head.lock().select(request.matchers, request.range) {
            let stream = Found { labels: taken.labels.clone(), chunks: taken.chunks, rows: Vec::new() };
            found.insert(taken.labels, stream);
        }
    }
    let view = reader.shelf.view();
    tell_of_closed(&view, request.tenant, request.range, &warnings);
    for block in view.of(request.tenant, milliseconds(request.range)) {
        let Some(index) = sound(&reader.shelf, block, block.index(), &warnings)? else { continue };
        for (stream, labels) in index.streams.iter().enumerate() {
            if !matches(labels, request.matchers) {
                continue;
            }
            let range = index.rows_of(stream as u32);
            let rows = range.clone().zip(&index.rows[range]).filter(|(_, row)| overlaps(row, request.range));
            let rows: Vec<_> = rows.map(|(number, row)| (block.clone(), number as u32, *row)).collect();
            if rows.is_empty() {
                continue;
            }
            held.add(rows.len() * size_of::<(Arc<Block>, u32, Row)>())?;
            let make = || Found { labels: labels.clone(), chunks: Vec::new(), rows: Vec::new() };
            found.entry(labels.clone()).or_insert_with(make).rows.extend(rows);
        }
    }
    held.add(found.values().map(|stream| STREAM_BYTES + stream.labels.encoded_len()).sum())?;
    Ok(Box::new(Set {
        streams: found.into_values().collect(),
        view,
        reader,
        questions: request.fragments.iter().map(|fragment| Question::of(fragment)).collect(),
        memory: request.memory.cloned(),
        warnings,
        _held: held,
    }))
}

/// Blocks whose files are not there.
fn tell_of_closed(view: &View, tenant: &Tenant, range: NanoRange, warnings: &Told) {
    let range = milliseconds(range);
    for entry in view.closed().filter(|entry| entry.tenant == *tenant && entry.range.overlaps(&range)) {
        let text = format!("data is missing from the answer: block {} is not there", entry.file_name());
        warnings.lock().insert(text);
    }
}

/// What was read; `None` where it is damaged, which is told.
fn sound<T>(shelf: &Shelf, block: &Block, result: io::Result<T>, warnings: &Told) -> Result<Option<T>, SourceError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_damage(&error) => {
            warnings.lock().insert(shelf.note_damage(block, &error));
            Ok(None)
        }
        Err(error) => Err(SourceError::Storage(error.to_string())),
    }
}

/// A piece of a stream.
enum Piece<'s> {
    Chunk(&'s Arc<Chunk>, i64, i64),
    Row(&'s (Arc<Block>, u32, Row), Vec<&'s Grave>),
}

impl Piece<'_> {
    fn first(&self) -> i64 {
        match self {
            Piece::Chunk(_, first, _) => *first,
            Piece::Row((_, _, row), _) => row.info.first,
        }
    }

    fn last(&self) -> i64 {
        match self {
            Piece::Chunk(_, _, last) => *last,
            Piece::Row((_, _, row), _) => row.info.last,
        }
    }
}

impl Set {
    fn pieces(&self, index: usize) -> Vec<Piece<'_>> {
        let stream = &self.streams[index];
        let mut pieces: Vec<Piece<'_>> =
            stream.chunks.iter().map(|chunk| Piece::Chunk(chunk, chunk.first(), chunk.last())).collect();
        for part in &stream.rows {
            let (block, number, row) = part;
            if block.is_bad(*number) {
                let text =
                    format!("data is missing from the answer: a page of {} is damaged", block.entry().file_name());
                self.warnings.lock().insert(text);
                continue;
            }
            let graves: Vec<&Grave> = self.view.graves_of(block).collect();
            match left(&graves, &stream.labels, &row.info) {
                Left::All => pieces.push(Piece::Row(part, Vec::new())),
                Left::Nothing => {}
                Left::Some(graves) => pieces.push(Piece::Row(part, graves)),
            }
        }
        pieces.sort_by_key(|piece| (piece.first(), piece.last()));
        pieces
    }

    fn page(&self, (block, number, row): &(Arc<Block>, u32, Row)) -> Option<Arc<dyn LogPage>> {
        if !self.questions.iter().all(|question| block.may_contain(row, question)) {
            return None;
        }
        let (shelf, number) = (self.reader.shelf.clone(), *number);
        let told = Arc::new(move |block: &Block, error: io::Error| {
            if is_damage(&error) {
                block.note_bad(number);
                shelf.note_damage(block, &error);
            }
            SourceError::Storage(error.to_string())
        });
        Some(Arc::new(BlockPage { block: block.clone(), number, row: *row, memory: self.memory.clone(), told }))
    }

    /// Puts overlapping pieces together.
    fn merged(&self, pieces: &[Piece<'_>]) -> Result<Vec<Arc<dyn LogPage>>, SourceError> {
        let mut held = Held::of(self.memory.as_ref());
        let mut parts: Vec<Entries> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Chunk(chunk, ..) => {
                    held.add(chunk.memory())?;
                    parts.push(chunk.sorted().into_owned());
                }
                Piece::Row((block, number, row), graves) => {
                    held.add((row.info.line_bytes + row.info.metadata_bytes) as usize)?;
                    let read = block.entries(*number, row);
                    let Some(mut entries) = sound(&self.reader.shelf, block, read, &self.warnings)? else { continue };
                    bury(&mut entries, graves, &self.reader.filters);
                    parts.push(entries);
                }
            }
        }
        let all = match parts.len() {
            1 => parts.pop().expect("there is one"),
            _ => merge(&parts.iter().collect::<Vec<_>>()),
        };
        drop((parts, held));
        let mut pages: Vec<Arc<dyn LogPage>> = Vec::new();
        for range in cuts(&all, MERGED_BYTES, i64::MAX) {
            let part = all.part(range);
            let mut held = Held::of(self.memory.as_ref());
            held.add(part.memory())?;
            pages.push(Arc::new(MemoryPage::new(part, held)));
        }
        Ok(pages)
    }
}

impl StreamSet for Set {
    fn len(&self) -> usize {
        self.streams.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.streams[index].labels.clone()
    }

    fn pages(&self, index: usize) -> Result<Vec<Arc<dyn LogPage>>, SourceError> {
        let pieces = self.pieces(index);
        let mut pages: Vec<Arc<dyn LogPage>> = Vec::with_capacity(pieces.len());
        let mut rest = pieces.as_slice();
        while let Some(first) = rest.first() {
            let mut last = first.last();
            let mut count = 1;
            while let Some(next) = rest.get(count).filter(|next| next.first() <= last) {
                last = last.max(next.last());
                count += 1;
            }
            let (cluster, others) = rest.split_at(count);
            rest = others;
            match cluster {
                [Piece::Row(part, graves)] if graves.is_empty() => pages.extend(self.page(part)),
                [Piece::Chunk(chunk, ..)] if chunk.in_order().is_some() => {
                    let page = ChunkPage::of(chunk, self.memory.as_ref());
                    pages.extend(page.map(|page| Arc::new(page) as Arc<dyn LogPage>));
                }
                _ => pages.extend(self.merged(cluster)?),
            }
        }
        Ok(pages)
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().iter().cloned().collect()
    }
}

/// Visits the labels of all streams of a request until `visit` answers false.
fn visit_labels(
    reader: &Reader,
    request: &LabelRequest<'_>,
    visit: &mut dyn FnMut(&Labels) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let is_wanted = |labels: &Labels| {
        request.matcher_sets.is_empty() || request.matcher_sets.iter().any(|set| matches(labels, set))
    };
    let nanos = NanoRange {
        start: request.range.start.ms().saturating_mul(1_000_000),
        end: request.range.end.ms().saturating_add(1).saturating_mul(1_000_000),
    };
    if let Some(head) = &reader.head {
        let head = head.lock();
        for labels in head.labels_in(nanos).filter(|labels| is_wanted(labels)) {
            visit(labels)?;
        }
    }
    let view = reader.shelf.view();
    for block in view.of(request.tenant, request.range) {
        let Some(index) = sound(&reader.shelf, block, block.index(), &Told::default())? else { continue };
        let graves: Vec<&Grave> = view.graves_of(block).collect();
        for (stream, labels) in index.streams.iter().enumerate().filter(|(_, labels)| is_wanted(labels)) {
            let rows = &index.rows[index.rows_of(stream as u32)];
            let is_there =
                |row: &Row| overlaps(row, nanos) && !matches!(left(&graves, labels, &row.info), Left::Nothing);
            if rows.iter().any(is_there) {
                visit(labels)?;
            }
        }
    }
    Ok(())
}

/// Collects what `take` gives, sorted, as many as the request wants.
fn collect<T: Ord>(
    reader: &Reader,
    request: &LabelRequest<'_>,
    take: impl Fn(&Labels, &mut dyn FnMut(T, usize) -> Result<(), SourceError>) -> Result<(), SourceError>,
) -> Result<Vec<T>, SourceError> {
    let mut found = BTreeSet::new();
    visit_labels(reader, request, &mut |labels| {
        take(labels, &mut |value, bytes| {
            if found.insert(value)
                && let Some(memory) = request.memory
            {
                memory.take(bytes + 64)?;
            }
            Ok(())
        })
    })?;
    let most = if request.limit == 0 { usize::MAX } else { request.limit };
    Ok(found.into_iter().take(most).collect())
}

/// Names of labels.
pub(crate) fn label_names(reader: &Reader, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
    collect(reader, request, |labels, put| {
        labels.iter().try_for_each(|label| put(label.name.to_owned(), label.name.len()))
    })
}

/// Values of a label.
pub(crate) fn label_values(
    reader: &Reader,
    name: &str,
    request: &LabelRequest<'_>,
) -> Result<Vec<String>, SourceError> {
    collect(reader, request, |labels, put| labels.get(name).map_or(Ok(()), |value| put(value.to_owned(), value.len())))
}

/// Label sets of streams.
pub(crate) fn streams(reader: &Reader, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
    collect(reader, request, |labels, put| put(labels.clone(), 16))
}
