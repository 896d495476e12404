//! Writes a block, row group by row group.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use blocks::disk::{Disk, WriteFile};
use model::{Exemplar, Metadata, SampleBuffer, TimeRange};
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;

use super::columns::{Chunk, ChunkWriter, Packing, io_error, put_plain};
use super::group::{Group, Slice, Strings, Texts, label_columns};
use super::schema::{self, LABEL_PREFIX, MAX_LABEL_COLUMNS, Shape};
use super::{BlockEntry, FORMAT, SeriesHash, check, order, payload, rest};

/// Bytes of payload in a page: small enough to be read for one series.
const PAGE_BYTES: usize = 64 << 10;
/// Hashes in a page.
const PAGE_HASHES: usize = 4096;
const WRITE_BUFFER: usize = 1 << 18;
/// The key of the block's entry in the file's key-value metadata.
pub(super) const ENTRY_KEY: &str = "afferent.block";
/// The key of the first log segment that is not in blocks.
pub(super) const WAL_FROM_KEY: &str = "afferent.wal_from";
/// The key of the format version.
pub(super) const FORMAT_KEY: &str = "afferent.format";

/// What a writer is told beforehand.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriterOptions {
    /// Names of the labels that rows will have, most frequent first: the first 200 get a column each, all others share one.
    /// Names that are missing here count behind these, as far as the first row group has them.
    pub(crate) label_names: Vec<String>,
    /// Log segments below this number are in this block or in those before it.
    pub(crate) wal_from: u64,
}

/// The row that was added last.
struct Last {
    hash: SeriesHash,
    labels: Vec<(String, String)>,
    time: i64,
}

/// Takes rows in the order of [`order`] and writes them as one file.
pub(crate) struct BlockWriter {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    options: WriterOptions,
    sink: Option<Sink>,
    file: Option<(SerializedFileWriter<Sink>, Shape)>,
    group: Group,
    checksums: Vec<u32>,
    last: Option<Last>,
    rows: u64,
    series: u64,
    samples: u64,
    range: Option<TimeRange>,
}

impl BlockWriter {
    /// Makes the file at its temporary path.
    pub(crate) fn create(disk: Arc<dyn Disk>, path: PathBuf, options: WriterOptions) -> io::Result<Self> {
        let sink = Sink { file: disk.create(&path)?, buffer: Vec::new(), written: 0, end: None };
        Ok(BlockWriter {
            disk,
            path,
            options,
            sink: Some(sink),
            file: None,
            group: Group::default(),
            checksums: Vec::new(),
            last: None,
            rows: 0,
            series: 0,
            samples: 0,
            range: None,
        })
    }

    /// Rows added so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds samples of a series, cut into rows of at most 1,024. Labels are sorted by name. Rows come in the order of
    /// [`order`], those of one series by time; anything else is refused as [`io::ErrorKind::InvalidInput`].
    pub(crate) fn add(
        &mut self,
        hash: SeriesHash,
        labels: &[(&str, &str)],
        metadata: Option<&Metadata>,
        samples: &SampleBuffer,
        exemplars: &[Exemplar],
    ) -> io::Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        self.check_order(hash, labels, samples)?;
        let slices = samples.len().div_ceil(payload::MAX_SAMPLES);
        let mut taken = 0;
        for slice in 0..slices {
            let (from, to) = (samples.len() * slice / slices, samples.len() * (slice + 1) / slices);
            // An exemplar goes with the slice that it was seen in.
            let last = samples.timestamps[to - 1];
            let more = &exemplars[taken..];
            let mine = match slice + 1 == slices {
                true => more,
                false => &more[..more.partition_point(|e| e.timestamp.is_none_or(|t| t.ms() <= last))],
            };
            taken += mine.len();
            self.group.push(hash, labels, metadata, &Slice { samples, from, to, exemplars: mine });
            self.rows += 1;
            if self.group.is_full() {
                self.write_group(false)?;
            }
        }
        self.samples += samples.len() as u64;
        Ok(())
    }

    fn check_order(&mut self, hash: SeriesHash, labels: &[(&str, &str)], samples: &SampleBuffer) -> io::Result<()> {
        let (first, end) = (samples.timestamps[0], samples.timestamps[samples.len() - 1]);
        let range = self.range.get_or_insert(TimeRange::new(first, end));
        range.start = range.start.min(model::Timestamp(first));
        range.end = range.end.max(model::Timestamp(end));
        let Some(last) = &mut self.last else {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            self.last = Some(Last { hash, labels, time: end });
            self.series = 1;
            return Ok(());
        };
        let is_same = last.hash == hash;
        let in_order = if is_same {
            last.time < first
        } else {
            let before = last.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            order::compare(before, labels.iter().copied()).is_lt()
        };
        if !in_order {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "rows of a block are out of order"));
        }
        last.time = end;
        if !is_same {
            last.hash = hash;
            replace(&mut last.labels, labels);
            self.series += 1;
        }
        Ok(())
    }

    /// Writes the rows collected so far. The first group of a file decides which columns there are: all possible ones, unless
    /// it is the only one.
    fn write_group(&mut self, is_last: bool) -> io::Result<()> {
        let group = std::mem::take(&mut self.group);
        if self.file.is_none() {
            let shape = if is_last { group.shape() } else { self.open_shape(&group) };
            let sink = self.sink.take().expect("the sink is there until the file is begun");
            let file = begin(sink, &shape)?;
            self.file = Some((file, shape));
        }
        let (file, shape) = self.file.as_mut().expect("the file was begun");
        let columns = file.schema_descr().columns().to_vec();
        let mut writer = file.next_row_group().map_err(io_error)?;
        let mut append = |chunk: Chunk| {
            self.checksums.extend_from_slice(&chunk.checksums);
            writer.append_column(&chunk.bytes, chunk.close).map_err(io_error)
        };
        let mut columns = columns.into_iter();
        while let Some(column) = columns.next() {
            let name = column.path().parts()[0].clone();
            if name == schema::LABELS_REST {
                let values = columns.next().expect("a map has keys and values");
                let (keys, values) = rest::encode(column, values, &group, shape)?;
                append(keys)?;
                append(values)?;
                continue;
            }
            append(match name.strip_prefix(LABEL_PREFIX) {
                Some(label) => write_texts(column, group.texts(label), group.rows)?,
                None => write_fixed(column, &name, &group)?,
            })?;
        }
        writer.close().map_err(io_error)?;
        Ok(())
    }

    fn open_shape(&self, group: &Group) -> Shape {
        // Names that nobody told of beforehand come after those that somebody did.
        let told = self.options.label_names.iter().map(String::as_str).filter(|name| *name != model::METRIC_NAME);
        let mut names: Vec<&str> = told.take(MAX_LABEL_COLUMNS - 1).collect();
        let known: HashSet<&str> = names.iter().copied().collect();
        names.extend(group.label_names().into_iter().filter(|name| !known.contains(name)));
        names.truncate(MAX_LABEL_COLUMNS - 1);
        let optional = [
            schema::HISTOGRAMS,
            schema::START_TIMESTAMPS,
            schema::AGGREGATES,
            schema::EXEMPLARS,
            schema::METRIC_TYPE,
            schema::UNIT,
            schema::HELP,
        ];
        Shape { labels: label_columns(names.into_iter()), rest: true, optional: optional.to_vec() }
    }

    /// Completes the file and makes it durable at its temporary path. Answers the entry with rows, series, samples, bytes,
    /// range and format filled in. After an error the file is gone.
    pub(crate) fn finish(mut self, entry: BlockEntry) -> io::Result<BlockEntry> {
        let finished = self.complete(entry);
        if finished.is_err() {
            self.abandon();
        }
        finished
    }

    fn complete(&mut self, mut entry: BlockEntry) -> io::Result<BlockEntry> {
        if self.group.rows > 0 || self.file.is_none() {
            self.write_group(true)?;
        }
        entry.rows = self.rows;
        entry.series = self.series;
        entry.samples = self.samples;
        entry.format = FORMAT;
        entry.bytes = 0;
        if let Some(range) = self.range {
            entry.range = range;
        }
        let (mut file, _) = self.file.take().expect("a file was begun with the last group");
        let json = serde_json::to_string(&entry).map_err(io::Error::other)?;
        for (key, value) in
            [(ENTRY_KEY, json), (WAL_FROM_KEY, self.options.wal_from.to_string()), (FORMAT_KEY, FORMAT.to_string())]
        {
            file.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        file.flush()?;
        let sink = file.inner_mut();
        let pages_end = sink.written;
        sink.end = Some(Vec::new());
        let mut sink = file.into_inner().map_err(io_error)?;
        let end = sink.end.take().unwrap_or_default();
        let end = check::insert(std::mem::take(&mut self.checksums), pages_end, &end).map_err(io::Error::other)?;
        io::Write::write_all(&mut sink, &end)?;
        sink.spill()?;
        sink.file.sync()?;
        entry.bytes = sink.written;
        Ok(entry)
    }

    /// Removes what was written.
    pub(crate) fn abandon(self) {
        let BlockWriter { disk, path, .. } = self;
        if let Err(error) = disk.remove(&path) {
            tracing::debug!(path = %path.display(), %error, "the beginning of a block is left behind until the next start");
        }
    }
}

/// Takes over labels and keeps the memory of those before.
fn replace(last: &mut Vec<(String, String)>, labels: &[(&str, &str)]) {
    last.resize(labels.len(), Default::default());
    for ((old_name, old_value), (name, value)) in last.iter_mut().zip(labels) {
        (*name).clone_into(old_name);
        (*value).clone_into(old_value);
    }
}

fn begin(sink: Sink, shape: &Shape) -> io::Result<SerializedFileWriter<Sink>> {
    let schema = shape.schema().map_err(io_error)?;
    // Labels without a column take part in the order, so where there may be such, only the first column is surely sorted.
    let sorted = if shape.rest { 1 } else { shape.labels.len() };
    let sorting = (0..sorted)
        .map(|column| SortingColumn { column_idx: column as i32, descending: false, nulls_first: true })
        .collect();
    let properties =
        WriterProperties::builder().set_created_by("afferent".to_owned()).set_sorting_columns(Some(sorting)).build();
    SerializedFileWriter::new(sink, schema, Arc::new(properties)).map_err(io_error)
}

/// A column of texts: a sorted dictionary and codes.
fn write_texts(column: ColumnDescPtr, texts: Option<&Texts>, rows: usize) -> io::Result<Chunk> {
    let mut writer = ChunkWriter::new(column.clone(), Packing::Zstd)?;
    let empty = Texts::default();
    let texts = texts.unwrap_or(&empty);
    let (codes, order) = texts.sorted();
    let mut dictionary = Vec::with_capacity(texts.values.bytes.len() + 4 * order.len());
    order.iter().for_each(|place| put_plain(texts.values.get(*place as usize), &mut dictionary));
    writer.dictionary(dictionary, order.len(), true)?;
    let runs: Vec<(u32, usize)> = texts.covering(rows).into_iter().map(|(code, n)| (codes[code as usize], n)).collect();
    writer.codes(&runs, order.len())?;
    let is_name = column.path().parts()[0] == "l.__name__";
    let bound = |place: Option<&u32>| {
        place.filter(|_| is_name).map(|place| ByteArray::from(texts.values.get(*place as usize).to_vec()))
    };
    let absent = (rows - texts.present) as u64;
    writer.finish(Some(Statistics::byte_array(bound(order.first()), bound(order.last()), None, Some(absent), false)))
}

/// A column of numbers with a dictionary; `put` writes one of them.
fn write_numbers<T: Copy + Ord>(
    column: ColumnDescPtr,
    numbers: &[T],
    put: impl Fn(T, &mut Vec<u8>),
    statistics: impl Fn(Option<T>, Option<T>) -> Statistics,
) -> io::Result<Chunk> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut writer = ChunkWriter::new(column, Packing::Zstd)?;
    let mut dictionary = Vec::new();
    sorted.iter().for_each(|number| put(*number, &mut dictionary));
    writer.dictionary(dictionary, sorted.len(), true)?;
    let code = |number: &T| sorted.partition_point(|n| n < number) as u32;
    let runs: Vec<(u32, usize)> = numbers.chunk_by(|a, b| a == b).map(|run| (code(&run[0]), run.len())).collect();
    writer.codes(&runs, sorted.len())?;
    writer.finish(Some(statistics(sorted.first().copied(), sorted.last().copied())))
}

fn write_fixed(column: ColumnDescPtr, name: &str, group: &Group) -> io::Result<Chunk> {
    let put_i64 = |n: i64, out: &mut Vec<u8>| out.extend_from_slice(&n.to_le_bytes());
    let times = |min, max| Statistics::int64(min, max, None, Some(0), false);
    match name {
        schema::SERIES => write_hashes(column, &group.hashes),
        schema::MIN_TIME => write_numbers(column, &group.min, put_i64, times),
        schema::MAX_TIME => write_numbers(column, &group.max, put_i64, times),
        schema::COUNT => write_numbers(
            column,
            &group.counts,
            |n, out| out.extend_from_slice(&n.to_le_bytes()),
            |min, max| Statistics::int32(min.map(|n| n as i32), max.map(|n| n as i32), None, Some(0), false),
        ),
        schema::TIMESTAMPS => write_times(column, group),
        schema::VALUES => write_payloads(column, &group.values),
        schema::HISTOGRAMS => write_payloads(column, &group.histograms),
        schema::START_TIMESTAMPS => write_payloads(column, &group.starts),
        schema::AGGREGATES => write_payloads(column, &group.aggregates),
        schema::EXEMPLARS => write_payloads(column, &group.exemplars),
        schema::METRIC_TYPE => write_texts(column, Some(&group.metric_types), group.rows),
        schema::UNIT => write_texts(column, Some(&group.units), group.rows),
        _ => write_texts(column, Some(&group.helps), group.rows),
    }
}

fn write_hashes(column: ColumnDescPtr, hashes: &[u8]) -> io::Result<Chunk> {
    let mut writer = ChunkWriter::new(column, Packing::that_pays_for(hashes)?)?;
    for page in hashes.chunks(PAGE_HASHES * 16) {
        writer.page(page.to_vec(), page.len() / 16, page.len() / 16, Encoding::PLAIN)?;
    }
    writer.finish(None)
}

/// Times share a dictionary, unless most rows have times of their own: then a reader of one row is better off with pages.
fn write_times(column: ColumnDescPtr, group: &Group) -> io::Result<Chunk> {
    let (lists, codes) = (&group.times.lists, &group.times.codes);
    let mut dictionary = Vec::with_capacity(lists.bytes.len() + 4 * lists.len());
    (0..lists.len()).for_each(|at| put_plain(lists.get(at), &mut dictionary));
    let mut writer = ChunkWriter::new(column, Packing::that_pays_for(&dictionary)?)?;
    if lists.len() > 1 && lists.len() * 2 > codes.len() {
        write_pages(&mut writer, codes.len(), |row| lists.get(codes[row] as usize), false)?;
        return writer.finish(None);
    }
    writer.dictionary(dictionary, lists.len(), false)?;
    let runs: Vec<(u32, usize)> = codes.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    writer.codes(&runs, lists.len())?;
    writer.finish(None)
}

/// A column of payloads; an empty one counts as absent where the column is optional.
fn write_payloads(column: ColumnDescPtr, payloads: &Strings) -> io::Result<Chunk> {
    let optional = column.max_def_level() > 0;
    let mut writer = ChunkWriter::new(column, Packing::that_pays_for(&payloads.bytes)?)?;
    write_pages(&mut writer, payloads.len(), |row| payloads.get(row), optional)?;
    let absent = (0..payloads.len()).filter(|row| optional && payloads.get(*row).is_empty()).count() as u64;
    writer.finish(Some(Statistics::byte_array(None, None, None, Some(absent), false)))
}

fn write_pages<'a>(
    writer: &mut ChunkWriter,
    rows: usize,
    get: impl Fn(usize) -> &'a [u8],
    optional: bool,
) -> io::Result<()> {
    let mut from = 0;
    while from < rows {
        let (mut to, mut bytes) = (from, 0);
        while to < rows && (to == from || bytes + get(to).len() <= PAGE_BYTES) {
            bytes += get(to).len() + 4;
            to += 1;
        }
        let mut page = Vec::with_capacity(bytes + 16);
        if optional {
            let levels = (from..to).map(|row| (u32::from(!get(row).is_empty()), 1));
            super::columns::put_levels(levels, 1, &mut page);
        }
        let present = (from..to).map(&get).filter(|payload| !optional || !payload.is_empty());
        present.for_each(|payload| put_plain(payload, &mut page));
        writer.page(page, to - from, to - from, Encoding::PLAIN)?;
        from = to;
    }
    Ok(())
}

/// The file that Parquet's writer writes to. What comes behind the pages is held back, to be written with its checksums.
struct Sink {
    file: Box<dyn WriteFile>,
    buffer: Vec<u8>,
    written: u64,
    end: Option<Vec<u8>>,
}

impl Sink {
    fn spill(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(end) = &mut self.end {
            end.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.buffer.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        if self.buffer.len() >= WRITE_BUFFER {
            self.spill()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
