//! Where everything in a block's file lies, read once from its footer.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use blocks::disk::ReadFile;
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;

use super::check::{self, Checks};
use super::writer::{ENTRY_KEY, FORMAT_KEY, WAL_FROM_KEY};
use super::{BlockEntry, FORMAT, group, schema};

/// What is read of a file's end at once; most footers fit.
const END_BYTES: u64 = 64 << 10;

/// One page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    /// Bytes, header included.
    pub(super) length: u32,
    pub(super) checksum: u32,
    /// First row, counted from the start of the row group.
    pub(super) first_row: u32,
}

/// One column chunk.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) is_packed: bool,
    pub(super) dictionary: Option<Piece>,
    pub(super) pages: Box<[Piece]>,
    /// Whether no row has a value.
    pub(super) is_empty: bool,
}

/// One row group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// First row, counted from the start of the file.
    pub(super) first_row: u32,
    pub(super) rows: u32,
    /// Least and greatest metric name; `None` where a row lacks one.
    pub(super) names: Option<(Box<str>, Box<str>)>,
    /// Time of the first and last sample.
    pub(super) times: (i64, i64),
    pub(super) chunks: Box<[Chunk]>,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    pub(super) rows: u32,
    pub(super) groups: Vec<Group>,
    /// Label names with their columns, sorted by name.
    pub(super) labels: Vec<(Box<str>, usize)>,
    /// Columns of keys and values of the labels that have no column.
    pub(super) rest: Option<(usize, usize)>,
    /// The columns that are no labels.
    pub(super) columns: Columns,
    /// Those columns by name.
    others: Vec<(Box<str>, usize)>,
}

/// The columns that are no labels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Columns {
    pub(super) series: usize,
    pub(super) min_time: usize,
    pub(super) max_time: usize,
    pub(super) count: usize,
    pub(super) timestamps: usize,
    pub(super) values: usize,
    pub(super) histograms: Option<usize>,
    pub(super) starts: Option<usize>,
    pub(super) aggregates: Option<usize>,
    pub(super) exemplars: Option<usize>,
    pub(super) metric_type: Option<usize>,
    pub(super) unit: Option<usize>,
    pub(super) help: Option<usize>,
}

impl Columns {
    fn find(others: &[(Box<str>, usize)]) -> BuildResult<Columns> {
        let optional = |name: &str| others.iter().find(|(other, _)| &**other == name).map(|(_, column)| *column);
        let required = |name: &str| optional(name).ok_or_else(|| format!("it has no column {name}"));
        Ok(Columns {
            series: required(schema::SERIES)?,
            min_time: required(schema::MIN_TIME)?,
            max_time: required(schema::MAX_TIME)?,
            count: required(schema::COUNT)?,
            timestamps: required(schema::TIMESTAMPS)?,
            values: required(schema::VALUES)?,
            histograms: optional(schema::HISTOGRAMS),
            starts: optional(schema::START_TIMESTAMPS),
            aggregates: optional(schema::AGGREGATES),
            exemplars: optional(schema::EXEMPLARS),
            metric_type: optional(schema::METRIC_TYPE),
            unit: optional(schema::UNIT),
            help: optional(schema::HELP),
        })
    }
}

impl Layout {
    /// The column of a label.
    pub(super) fn label(&self, name: &str) -> Option<usize> {
        self.labels.binary_search_by(|(label, _)| (**label).cmp(name)).ok().map(|at| self.labels[at].1)
    }

    /// What errors call a column.
    pub(super) fn column_name(&self, column: usize) -> String {
        let label = self.labels.iter().find(|(_, at)| *at == column);
        let other = self.others.iter().find(|(_, at)| *at == column);
        match (label, other) {
            (Some((name, _)), _) => format!("{}{name}", schema::LABEL_PREFIX),
            (_, Some((name, _))) => name.to_string(),
            _ => schema::LABELS_REST.to_owned(),
        }
    }

    /// The row group of a row, and the row's place in it.
    pub(super) fn locate(&self, row: u32) -> Option<(usize, usize)> {
        let group = self.groups.partition_point(|group| group.first_row <= row).checked_sub(1)?;
        let place = row - self.groups[group].first_row;
        (place < self.groups[group].rows).then_some((group, place as usize))
    }

    /// Reads the end of a file and checks it.
    pub(super) fn read(file: &dyn ReadFile, name: &str) -> io::Result<Layout> {
        let end = End::read(file, name)?;
        let layout = end.guarded(|metadata| build(metadata, &end.checks))?;
        Ok(layout)
    }
}

/// The entry that a block's file carries, with the number of the first log segment that is not in blocks. `name` is for errors.
pub(crate) fn read_entry(file: &dyn ReadFile, name: &str) -> io::Result<(BlockEntry, u64)> {
    let end = End::read(file, name)?;
    let (mut entry, wal_from) = end.guarded(|metadata| {
        let values = metadata.file_metadata().key_value_metadata().ok_or("it says nothing of itself")?;
        let value = |key: &str| values.iter().find(|kv| kv.key == key).and_then(|kv| kv.value.as_deref());
        let entry: BlockEntry = serde_json::from_str(value(ENTRY_KEY).ok_or("it has no entry")?)
            .map_err(|error| format!("its entry cannot be read: {error}"))?;
        let wal_from: u64 = value(WAL_FROM_KEY).and_then(|v| v.parse().ok()).ok_or("it names no log segment")?;
        Ok((entry, wal_from))
    })?;
    entry.bytes = end.file_bytes;
    Ok((entry, wal_from))
}

fn damaged(name: &str, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("block {name}: {what}"))
}

/// The end of a file, from the page index on, after its checksums were found right.
struct End<'a> {
    name: &'a str,
    file_bytes: u64,
    begin: u64,
    bytes: Bytes,
    checks: Checks,
}

impl<'a> End<'a> {
    fn read(file: &dyn ReadFile, name: &'a str) -> io::Result<Self> {
        let file_bytes = file.len()?;
        let bad = |what: &dyn std::fmt::Display| damaged(name, what);
        let mut begin = file_bytes.saturating_sub(END_BYTES);
        let mut bytes = read_range(file, begin..file_bytes)?;
        let mut extend = |from: u64, bytes: &mut Vec<u8>| -> io::Result<()> {
            if from < begin {
                let mut longer = read_range(file, from..begin)?;
                longer.append(bytes);
                *bytes = longer;
                begin = from;
            }
            Ok(())
        };
        let tail = bytes.last_chunk::<{ check::TAIL }>().ok_or_else(|| bad(&"the file is too short"))?;
        let footer_len = check::footer_len(tail).map_err(|e| bad(&e))? + check::TAIL;
        let fixed = (footer_len + check::FIXED) as u64;
        if fixed > file_bytes {
            return Err(bad(&"its footer is longer than the file"));
        }
        extend(file_bytes - fixed, &mut bytes)?;
        let footer_at = bytes.len() - footer_len;
        let checks_len = Checks::length(&bytes[footer_at - check::FIXED..footer_at]).map_err(|e| bad(&e))?;
        if (footer_len + checks_len) as u64 > file_bytes {
            return Err(bad(&"its checksums are longer than the file"));
        }
        extend(file_bytes - (footer_len + checks_len) as u64, &mut bytes)?;
        let footer_at = bytes.len() - footer_len;
        let checks = Checks::decode(&bytes[footer_at - checks_len..footer_at]).map_err(|e| bad(&e))?;
        let index_end = file_bytes - (footer_len + checks_len) as u64;
        if checks.pages_end > index_end {
            return Err(bad(&"its page index is out of place"));
        }
        extend(checks.pages_end, &mut bytes)?;
        let skipped = (checks.pages_end - begin) as usize;
        let bytes = Bytes::from(bytes).slice(skipped..);
        let index_len = (index_end - checks.pages_end) as usize;
        if crc32fast::hash(&bytes[..index_len]) != checks.index {
            return Err(bad(&"its page index is damaged"));
        }
        if crc32fast::hash(&bytes[bytes.len() - footer_len..]) != checks.footer {
            return Err(bad(&"its footer is damaged"));
        }
        Ok(End { name, file_bytes, begin: checks.pages_end, bytes, checks })
    }

    /// Parses the footer and takes something out of it. The library that parses may panic on bytes that it never wrote.
    fn guarded<T>(
        &self,
        take: impl FnOnce(&ParquetMetaData) -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> io::Result<T> {
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            let metadata = ParquetMetaDataReader::new()
                .with_column_index_policy(PageIndexPolicy::Skip)
                .with_offset_index_policy(PageIndexPolicy::Required)
                .parse_and_finish(self)?;
            let version = metadata.file_metadata().key_value_metadata().into_iter().flatten();
            let version = version.filter(|kv| kv.key == FORMAT_KEY).find_map(|kv| kv.value.as_deref());
            if version != Some(FORMAT.to_string().as_str()) {
                return Err(format!("it has the format version {version:?}, which this program does not know").into());
            }
            take(&metadata)
        }));
        match parsed {
            Ok(result) => result.map_err(|error| damaged(self.name, error)),
            Err(_) => Err(damaged(self.name, "its footer cannot be parsed")),
        }
    }
}

impl Length for End<'_> {
    fn len(&self) -> u64 {
        self.file_bytes
    }
}

impl ChunkReader for End<'_> {
    type T = std::io::Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let length = self.file_bytes.saturating_sub(start) as usize;
        Ok(std::io::Cursor::new(self.get_bytes(start, length)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let from = start.checked_sub(self.begin).map(|from| from as usize);
        let range = from.and_then(|from| Some(from..from.checked_add(length)?));
        match range.filter(|range| range.end <= self.bytes.len()) {
            Some(range) => Ok(self.bytes.slice(range)),
            None => Err(parquet::errors::ParquetError::General("the footer points out of the file's end".to_owned())),
        }
    }
}

fn read_range(file: &dyn ReadFile, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_at(&mut bytes, range.start)?;
    Ok(bytes)
}

type BuildResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn build(metadata: &ParquetMetaData, checks: &Checks) -> BuildResult<Layout> {
    let mut layout = Layout::default();
    for (at, column) in metadata.file_metadata().schema_descr().columns().iter().enumerate() {
        let parts = column.path().parts();
        match (parts[0].strip_prefix(schema::LABEL_PREFIX), parts.last().map(String::as_str)) {
            (Some(label), _) => layout.labels.push((label.into(), at)),
            (None, Some("key")) if parts[0] == schema::LABELS_REST => layout.rest = Some((at, at + 1)),
            (None, _) => layout.others.push((parts[0].as_str().into(), at)),
        }
    }
    layout.labels.sort_unstable();
    layout.columns = Columns::find(&layout.others)?;
    let mut checksums = checks.pages.iter().copied();
    let index = metadata.offset_index().ok_or("it has no page index")?;
    for (row_group, columns) in metadata.row_groups().iter().zip(index) {
        let rows = u32::try_from(row_group.num_rows())?;
        if rows as usize > group::MAX_ROWS {
            return Err("a row group has too many rows".into());
        }
        let chunks = row_group.columns().iter().zip(columns);
        let chunks = chunks.map(|(chunk, pages)| place(chunk, pages, rows, checks.pages_end, &mut checksums));
        let chunks: Box<[Chunk]> = chunks.collect::<BuildResult<_>>()?;
        if chunks.len() != row_group.num_columns() {
            return Err("its page index is incomplete".into());
        }
        let (names, times) = (name_bounds(&layout, row_group), time_bounds(&layout, row_group));
        layout.groups.push(Group { first_row: layout.rows, rows, names, times, chunks });
        layout.rows = layout.rows.checked_add(rows).ok_or("it has too many rows")?;
    }
    if checksums.next().is_some() || layout.groups.len() != metadata.num_row_groups() {
        return Err("its page index is incomplete".into());
    }
    Ok(layout)
}

fn place(
    chunk: &ColumnChunkMetaData,
    index: &OffsetIndexMetaData,
    rows: u32,
    pages_end: u64,
    checksums: &mut impl Iterator<Item = u32>,
) -> BuildResult<Chunk> {
    let mut piece = |offset: i64, length: i64, first_row: i64| -> BuildResult<Piece> {
        let (offset, length) = (u64::try_from(offset)?, u32::try_from(length)?);
        let first_row = u32::try_from(first_row)?;
        if offset.checked_add(length.into()).is_none_or(|end| end > pages_end) || first_row > rows {
            return Err("a page lies outside of the file".into());
        }
        Ok(Piece { offset, length, first_row, checksum: checksums.next().ok_or("a page has no checksum")? })
    };
    let dictionary = chunk.dictionary_page_offset();
    let dictionary = dictionary.map(|offset| piece(offset, chunk.data_page_offset() - offset, 0)).transpose()?;
    let pages = index.page_locations.iter();
    let pages = pages.map(|page| piece(page.offset, page.compressed_page_size.into(), page.first_row_index));
    let pages: Box<[Piece]> = pages.collect::<BuildResult<_>>()?;
    if !pages.is_sorted_by_key(|page| page.first_row) || pages.first().is_none_or(|page| page.first_row != 0) {
        return Err("pages are out of order".into());
    }
    let is_packed = match chunk.compression() {
        Compression::UNCOMPRESSED => false,
        Compression::ZSTD(_) => true,
        other => return Err(format!("it is compressed with {other}").into()),
    };
    let absent = chunk.statistics().and_then(Statistics::null_count_opt);
    let is_empty = absent == Some(chunk.num_values() as u64);
    Ok(Chunk { is_packed, dictionary, pages, is_empty })
}

fn name_bounds(layout: &Layout, row_group: &RowGroupMetaData) -> Option<(Box<str>, Box<str>)> {
    let statistics = row_group.column(layout.label(model::METRIC_NAME)?).statistics()?;
    if statistics.null_count_opt() != Some(0) {
        return None;
    }
    let text = |bytes: Option<&[u8]>| Some(Box::from(std::str::from_utf8(bytes?).ok()?));
    Some((text(statistics.min_bytes_opt())?, text(statistics.max_bytes_opt())?))
}

fn time_bounds(layout: &Layout, row_group: &RowGroupMetaData) -> (i64, i64) {
    let bounds = |column| match row_group.column(column).statistics()? {
        Statistics::Int64(times) => Some((*times.min_opt()?, *times.max_opt()?)),
        _ => None,
    };
    let least = bounds(layout.columns.min_time).map_or(i64::MIN, |(min, _)| min);
    let greatest = bounds(layout.columns.max_time).map_or(i64::MAX, |(_, max)| max);
    (least, greatest)
}
