//! Writes a block, row group by row group.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use blocks::catalogue::BlockEntry;
use blocks::disk::Disk;
use bytes::Bytes;
use model::{Labels, PageInfo, TimeRange};
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, OffsetIndexBuilder};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::FORMAT;
use super::index::{Index, Row, TAIL};
use super::schema::{COUNTS, LABELS_REST, MOST_LABEL_COLUMNS, PAYLOADS, TIMES, schema};
use super::sink::Sink;
use crate::page::{EncodedPage, Shape};

/// Pages that are in memory before they are written together.
const GROUP_BYTES: usize = 16 << 20;

/// A page as it lies in a file.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) info: PageInfo,
    pub(crate) shape: Shape,
    pub(crate) body: Vec<u8>,
    pub(crate) filter: Vec<u8>,
}

impl From<EncodedPage> for Raw {
    fn from(page: EncodedPage) -> Self {
        Raw { info: page.info, shape: page.shape, body: page.body, filter: page.filter }
    }
}

/// Takes pages by stream and time and writes them as one file.
pub(crate) struct BlockWriter {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    sink: Option<Sink>,
    file: Option<SerializedFileWriter<Sink>>,
    /// Names of labels, most frequent first, told by the first group where nobody told before.
    names: Vec<String>,
    group: Vec<(u32, Raw)>,
    group_bytes: usize,
    streams: Vec<Labels>,
    rows: Vec<Row>,
    range: Option<(i64, i64)>,
    entries: u64,
}

impl BlockWriter {
    /// Makes the file. `names` are the names of labels that will come, most frequent first; others share a column.
    pub(crate) fn create(disk: Arc<dyn Disk>, path: PathBuf, names: Vec<String>) -> io::Result<Self> {
        let sink = Sink::new(disk.create(&path)?);
        Ok(BlockWriter {
            disk,
            path,
            sink: Some(sink),
            file: None,
            names,
            group: Vec::new(),
            group_bytes: 0,
            streams: Vec::new(),
            rows: Vec::new(),
            range: None,
            entries: 0,
        })
    }

    /// Pages added so far.
    pub(crate) fn pages(&self) -> usize {
        self.rows.len() + self.group.len()
    }

    /// Adds a page. Streams come in the order of their labels, pages of a stream by time.
    pub(crate) fn add(&mut self, labels: &Labels, page: Raw) -> io::Result<()> {
        if self.streams.last() != Some(labels) {
            debug_assert!(self.streams.last().is_none_or(|last| last < labels));
            self.streams.push(labels.clone());
        }
        let PageInfo { first, last, entries, .. } = page.info;
        let range = self.range.get_or_insert((first, last));
        *range = (range.0.min(first), range.1.max(last));
        self.entries += u64::from(entries);
        self.group_bytes += page.body.len() + page.filter.len();
        self.group.push((self.streams.len() as u32 - 1, page));
        if self.group_bytes >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> io::Result<()> {
        let group = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        if self.file.is_none() {
            self.begin()?;
        }
        let own = self.own_labels();
        let streams: Vec<&Labels> = group.iter().map(|(stream, _)| &self.streams[*stream as usize]).collect();
        let file = self.file.as_mut().expect("the file was begun");
        let columns = file.schema_descr().columns().to_vec();
        let mut writer = file.next_row_group().map_err(io_error)?;
        for name in &own {
            write_labels(&mut writer, name, &streams)?;
        }
        if columns.iter().any(|column| column.path().parts()[0] == LABELS_REST) {
            write_rest(&mut writer, &own, &streams)?;
        }
        let infos = || group.iter().map(|(_, page)| page.info);
        write_numbers(&mut writer, infos().map(|info| info.first).collect())?;
        write_numbers(&mut writer, infos().map(|info| info.last).collect())?;
        write_numbers(&mut writer, infos().map(|info| i64::from(info.entries)).collect())?;
        write_numbers(&mut writer, infos().map(|info| info.line_bytes as i64).collect())?;
        write_numbers(&mut writer, infos().map(|info| info.metadata_bytes as i64).collect())?;
        let payload = |name: &str| columns.iter().find(|column| column.path().parts()[0] == name).cloned();
        let mut places = Vec::new();
        for name in PAYLOADS {
            let column = payload(name).expect("every block has payloads");
            let values = group.iter().map(|(_, page)| if name == PAYLOADS[0] { &page.body } else { &page.filter });
            let (bytes, close, inner) = payload_column(column, values)?;
            writer.append_column(&bytes, close).map_err(io_error)?;
            places.push(inner);
        }
        let metadata = writer.close().map_err(io_error)?;
        let base = |back: usize| metadata.column(metadata.num_columns() - back).data_page_offset() as u64;
        for (at, (stream, page)) in group.into_iter().enumerate() {
            self.rows.push(Row {
                stream,
                info: page.info,
                shape: page.shape,
                body_at: base(2) + places[0][at],
                body_bytes: page.body.len() as u32,
                filter_at: base(1) + places[1][at],
            });
        }
        Ok(())
    }

    /// Labels with a column of their own, by name.
    fn own_labels(&self) -> Vec<String> {
        let mut own: Vec<String> = self.names.iter().take(MOST_LABEL_COLUMNS).cloned().collect();
        own.sort_unstable();
        own
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.names.is_empty() {
            self.names = frequent_names(self.streams.iter());
        }
        let schema = schema(&self.own_labels(), true).map_err(io_error)?;
        let properties = WriterProperties::builder()
            .set_created_by("afferent".to_owned())
            .set_compression(Compression::UNCOMPRESSED)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        let sink = self.sink.take().expect("the sink is there until the file is begun");
        self.file = Some(SerializedFileWriter::new(sink, schema, Arc::new(properties)).map_err(io_error)?);
        Ok(())
    }

    /// Completes the file and makes it durable at its path. Answers the entry with all that the writer knows. After an error
    /// the file is gone.
    pub(crate) fn finish(mut self, entry: BlockEntry) -> io::Result<BlockEntry> {
        let finished = self.complete(entry);
        if finished.is_err() {
            self.abandon();
        }
        finished
    }

    fn complete(&mut self, mut entry: BlockEntry) -> io::Result<BlockEntry> {
        if !self.group.is_empty() || self.file.is_none() {
            self.write_group()?;
        }
        entry.rows = self.rows.len() as u64;
        entry.series = self.streams.len() as u64;
        entry.samples = self.entries;
        entry.format = FORMAT;
        entry.bytes = 0;
        if let Some((first, last)) = self.range {
            entry.range = TimeRange::new(first.div_euclid(1_000_000), last.div_euclid(1_000_000));
        }
        let index = Index {
            entry: entry.clone(),
            streams: std::mem::take(&mut self.streams),
            rows: std::mem::take(&mut self.rows),
        };
        let mut file = self.file.take().expect("a file was begun with the last group");
        let format = KeyValue::new("afferent.format".to_owned(), FORMAT.to_string());
        file.append_key_value_metadata(format);
        file.flush()?;
        file.inner_mut().end = Some(Vec::new());
        let mut sink = file.into_inner().map_err(io_error)?;
        let end = sink.end.take().unwrap_or_default();
        let footer = footer_begin(&end).ok_or_else(|| io::Error::other("the footer of a block is too short"))?;
        io::Write::write_all(&mut sink, &end[..footer])?;
        io::Write::write_all(&mut sink, &index.encode()?)?;
        io::Write::write_all(&mut sink, &end[footer..])?;
        sink.sync()?;
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

fn footer_begin(end: &[u8]) -> Option<usize> {
    let tail = end.last_chunk::<TAIL>()?;
    let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize;
    end.len().checked_sub(TAIL + length)
}

/// Names of labels, those that most streams have first.
pub(crate) fn frequent_names<'l>(streams: impl Iterator<Item = &'l Labels>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    streams.flat_map(Labels::iter).for_each(|label| *counts.entry(label.name).or_default() += 1);
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

type Group<'g> = SerializedRowGroupWriter<'g, Sink>;

fn write_column(
    group: &mut Group<'_>,
    write: impl FnOnce(&mut ColumnWriter<'_>) -> Result<(), ParquetError>,
) -> io::Result<()> {
    let mut column = group.next_column().map_err(io_error)?.expect("the schema has this column");
    write(column.untyped()).map_err(io_error)?;
    column.close().map_err(io_error)
}

fn put_texts(
    writer: &mut ColumnWriter<'_>,
    values: &[ByteArray],
    definition: Option<&[i16]>,
    repetition: Option<&[i16]>,
) -> Result<(), ParquetError> {
    match writer {
        ColumnWriter::ByteArrayColumnWriter(writer) => writer.write_batch(values, definition, repetition).map(drop),
        _ => Err(ParquetError::General("a column of texts is expected".to_owned())),
    }
}

fn write_labels(group: &mut Group<'_>, name: &str, streams: &[&Labels]) -> io::Result<()> {
    let found: Vec<Option<&str>> = streams.iter().map(|labels| labels.get(name)).collect();
    let values: Vec<ByteArray> = found.iter().flatten().map(|value| ByteArray::from(*value)).collect();
    let levels: Vec<i16> = found.iter().map(|value| i16::from(value.is_some())).collect();
    write_column(group, |writer| put_texts(writer, &values, Some(&levels), None))
}

fn write_rest(group: &mut Group<'_>, own: &[String], streams: &[&Labels]) -> io::Result<()> {
    let (mut keys, mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for labels in streams {
        let before = keys.len();
        let rest = labels.iter().filter(|label| own.binary_search_by(|name| name.as_str().cmp(label.name)).is_err());
        for label in rest {
            definition.push(2);
            repetition.push(i16::from(keys.len() > before));
            keys.push(ByteArray::from(label.name));
            values.push(ByteArray::from(label.value));
        }
        if keys.len() == before {
            definition.push(0);
            repetition.push(0);
        }
    }
    for texts in [&keys, &values] {
        write_column(group, |writer| put_texts(writer, texts, Some(&definition), Some(&repetition)))?;
    }
    Ok(())
}

fn write_numbers(group: &mut Group<'_>, numbers: Vec<i64>) -> io::Result<()> {
    debug_assert!(TIMES.len() + COUNTS.len() == 5);
    write_column(group, |writer| match writer {
        ColumnWriter::Int64ColumnWriter(writer) => writer.write_batch(&numbers, None, None).map(drop),
        _ => Err(ParquetError::General("a column of numbers is expected".to_owned())),
    })
}

type PayloadColumn = (Bytes, ColumnCloseResult, Vec<u64>);

/// A column of bytes, each in a page of its own; also where each begins, counted from the first page.
fn payload_column<'v>(column: ColumnDescPtr, values: impl Iterator<Item = &'v Vec<u8>>) -> io::Result<PayloadColumn> {
    let mut sink = TrackedWrite::new(Vec::new());
    let mut index = OffsetIndexBuilder::new();
    let (mut places, mut unpacked, mut count) = (Vec::new(), 0, 0);
    for value in values {
        let mut bytes = Vec::with_capacity(4 + value.len());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
        let length = bytes.len();
        let page = Page::DataPage {
            buf: Bytes::from(bytes),
            num_values: 1,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let mut pages = SerializedPageWriter::new(&mut sink);
        let written = pages.write_page(CompressedPage::new(page, length)).map_err(io_error)?;
        pages.close().map_err(io_error)?;
        index.append_offset_and_size(written.offset as i64, written.bytes_written as i32);
        index.append_row_count(1);
        places.push(written.offset + written.bytes_written - value.len() as u64);
        unpacked += written.uncompressed_size as i64;
        count += 1;
    }
    if count == 0 {
        // An empty block has an empty page, for readers that expect one.
        let page = Page::DataPage {
            buf: Bytes::new(),
            num_values: 0,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let mut pages = SerializedPageWriter::new(&mut sink);
        pages.write_page(CompressedPage::new(page, 0)).map_err(io_error)?;
        pages.close().map_err(io_error)?;
    }
    let bytes = Bytes::from(sink.into_inner().map_err(io_error)?);
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(Compression::UNCOMPRESSED)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size(unpacked)
        .set_num_values(count)
        .set_data_page_offset(0)
        .build()
        .map_err(io_error)?;
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: count as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: Some(index.build()),
    };
    Ok((bytes, close, places))
}

/// An error of the Parquet library as an I/O error.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}
