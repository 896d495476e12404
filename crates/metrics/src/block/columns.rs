//! Column chunks: pages, compressed where that pays, with their places and checksums.

use std::io;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::codes;

const LEVEL: i32 = 1;

/// A finished column chunk.
pub(super) struct Chunk {
    /// Its pages one after another.
    pub(super) bytes: Bytes,
    /// What the footer says of it; offsets count from the start of `bytes`.
    pub(super) close: ColumnCloseResult,
    /// A checksum for each page, that of the dictionary first.
    pub(super) checksums: Vec<u32>,
}

/// Whether a column chunk is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Stored as it is.
    Plain,
    /// Compressed with zstd.
    Zstd,
}

impl Packing {
    /// Tries compression on a piece of what will be written: it must save a tenth to be worth the reader's time.
    pub(super) fn that_pays_for(sample: &[u8]) -> io::Result<Packing> {
        let sample = &sample[..sample.len().min(1 << 17)];
        let packed = zstd::bulk::compress(sample, LEVEL)?;
        Ok(if packed.len() * 10 < sample.len() * 9 { Packing::Zstd } else { Packing::Plain })
    }
}

/// Collects the pages of one column chunk.
pub(super) struct ChunkWriter {
    column: ColumnDescPtr,
    packer: Option<zstd::bulk::Compressor<'static>>,
    sink: TrackedWrite<Vec<u8>>,
    checksums: Vec<u32>,
    index: OffsetIndexBuilder,
    dictionary: Option<i64>,
    data: Option<i64>,
    encodings: Vec<Encoding>,
    unpacked: i64,
    values: i64,
    rows: u64,
}

impl ChunkWriter {
    pub(super) fn new(column: ColumnDescPtr, packing: Packing) -> io::Result<Self> {
        let packer = match packing {
            Packing::Plain => None,
            Packing::Zstd => Some(zstd::bulk::Compressor::new(LEVEL)?),
        };
        Ok(ChunkWriter {
            column,
            packer,
            sink: TrackedWrite::new(Vec::new()),
            checksums: Vec::new(),
            index: OffsetIndexBuilder::new(),
            dictionary: None,
            data: None,
            encodings: vec![Encoding::RLE],
            unpacked: 0,
            values: 0,
            rows: 0,
        })
    }

    fn write(&mut self, bytes: Vec<u8>, make: impl FnOnce(Bytes) -> Page) -> io::Result<(i64, i32)> {
        let unpacked = bytes.len();
        let bytes = match &mut self.packer {
            Some(packer) => packer.compress(&bytes)?,
            None => bytes,
        };
        let page = CompressedPage::new(make(Bytes::from(bytes)), unpacked);
        let mut pages = SerializedPageWriter::new(&mut self.sink);
        let written = pages.write_page(page).map_err(io_error)?;
        pages.close().map_err(io_error)?;
        let (from, to) = (written.offset as usize, (written.offset + written.bytes_written) as usize);
        self.checksums.push(crc32fast::hash(&self.sink.inner()[from..to]));
        self.unpacked += written.uncompressed_size as i64;
        Ok((written.offset as i64, written.bytes_written as i32))
    }

    /// Writes the dictionary: `count` values in plain encoding. It comes before all other pages.
    pub(super) fn dictionary(&mut self, bytes: Vec<u8>, count: usize, is_sorted: bool) -> io::Result<()> {
        let (offset, _) = self.write(bytes, |buf| Page::DictionaryPage {
            buf,
            num_values: count as u32,
            encoding: Encoding::PLAIN,
            is_sorted,
        })?;
        self.dictionary = Some(offset);
        self.encodings.push(Encoding::PLAIN);
        Ok(())
    }

    /// Writes a data page of `values` values, absent ones among them, that belong to `rows` rows.
    pub(super) fn page(&mut self, bytes: Vec<u8>, values: usize, rows: usize, encoding: Encoding) -> io::Result<()> {
        let (offset, length) = self.write(bytes, |buf| Page::DataPage {
            buf,
            num_values: values as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        self.data.get_or_insert(offset);
        self.index.append_offset_and_size(offset, length);
        self.index.append_row_count(rows as i64);
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        self.values += values as i64;
        self.rows += rows as u64;
        Ok(())
    }

    /// Writes a page of dictionary codes, `(code, rows)`. Code 0 stands for an absent value where the column is optional.
    pub(super) fn codes(&mut self, runs: &[(u32, usize)], dictionary: usize) -> io::Result<()> {
        let rows: usize = runs.iter().map(|(_, n)| n).sum();
        let optional = self.column.max_def_level() > 0;
        let mut bytes = Vec::new();
        if optional {
            put_levels(runs.iter().map(|(code, n)| (u32::from(*code != 0), *n)), 1, &mut bytes);
        }
        let present = runs.iter().filter(|(code, _)| !optional || *code != 0);
        put_indexes(present.map(|(code, n)| (code - u32::from(optional), *n)), dictionary, &mut bytes);
        self.page(bytes, rows, rows, Encoding::RLE_DICTIONARY)
    }

    /// The finished chunk.
    pub(super) fn finish(mut self, statistics: Option<Statistics>) -> io::Result<Chunk> {
        if self.data.is_none() {
            self.page(Vec::new(), 0, 0, Encoding::PLAIN)?;
        }
        let bytes = Bytes::from(self.sink.into_inner().map_err(io_error)?);
        let compression = match self.packer {
            Some(_) => Compression::ZSTD(ZstdLevel::try_new(LEVEL).map_err(io_error)?),
            None => Compression::UNCOMPRESSED,
        };
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(compression)
            .set_encodings(self.encodings)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.unpacked)
            .set_num_values(self.values)
            .set_data_page_offset(self.data.unwrap_or(0))
            .set_dictionary_page_offset(self.dictionary);
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata: metadata.build().map_err(io_error)?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.index.build()),
        };
        Ok(Chunk { bytes, close, checksums: self.checksums })
    }
}

/// Appends levels as a first-version data page has them: with their length in front.
pub(super) fn put_levels(runs: impl IntoIterator<Item = (u32, usize)>, width: u32, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    codes::encode(join(runs), width, out);
    let length = (out.len() - begin - 4) as u32;
    out[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends indexes into a dictionary of `dictionary` values.
pub(super) fn put_indexes(runs: impl IntoIterator<Item = (u32, usize)>, dictionary: usize, out: &mut Vec<u8>) {
    let width = codes::width_for(dictionary);
    out.push(width as u8);
    codes::encode(join(runs), width, out);
}

/// Joins neighbouring runs of one value.
fn join(runs: impl IntoIterator<Item = (u32, usize)>) -> impl Iterator<Item = (u32, usize)> {
    let mut runs = runs.into_iter().peekable();
    std::iter::from_fn(move || {
        let (value, mut length) = runs.next()?;
        while let Some((_, more)) = runs.next_if(|(next, _)| *next == value) {
            length += more;
        }
        Some((value, length))
    })
}

/// Appends a byte array in plain encoding.
pub(super) fn put_plain(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// An error of the Parquet library as an I/O error.
pub(super) fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        error => io::Error::other(error),
    }
}
