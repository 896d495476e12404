//! A block directory: its series with their samples, piece by piece.

use std::path::{Path, PathBuf};

use model::{Labels, SampleBuffer, TimeRange, Timestamp};

use crate::bytes::{Bytes, uvarint};
use crate::chunk::{self, ChunkError};
use crate::error::TsdbError;
use crate::index::{ChunkPlace, Entry, Index};
use crate::meta::{self, Meta};
use crate::tombstones::{self, Tombstones};
use crate::window::Window;

/// A piece ends with the chunk that fills it so far, in samples. A histogram counts as its buckets.
const PIECE: usize = 1 << 15;
const SEGMENT_MAGIC: [u8; 4] = 0x85BD_40DD_u32.to_be_bytes();
const SEGMENT_HEADER: u64 = 8;
/// A length of 32 bits in groups of seven, and the encoding.
const MAX_CHUNK_HEADER: u64 = 6;
const CRC: u64 = 4;

/// The block directories in `dir`, or `dir` itself where it is one, by name and so by age.
///
/// # Errors
/// Where the directory cannot be read.
pub fn find_blocks(dir: &Path) -> Result<Vec<PathBuf>, TsdbError> {
    if dir.join("meta.json").is_file() {
        return Ok(vec![dir.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(TsdbError::io(dir))? {
        let path = entry.map_err(TsdbError::io(dir))?.path();
        let is_unfinished = path.extension().is_some_and(|e| e.to_string_lossy().starts_with("tmp-"));
        if !is_unfinished && path.join("meta.json").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A block that can be read.
#[derive(Debug)]
pub struct Block {
    dir: PathBuf,
    meta: Meta,
    tombstones: Tombstones,
}

impl Block {
    /// Reads what the block says of itself and what of it is deleted.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn open(dir: &Path) -> Result<Block, TsdbError> {
        let meta = meta::read(&dir.join("meta.json"))?;
        let tombstones = tombstones::read(&dir.join("tombstones"))?;
        Ok(Block { dir: dir.to_owned(), meta, tombstones })
    }

    /// What the block says of itself.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Walks over the series in the order of the index. Memory: the symbols, and one piece.
    ///
    /// # Errors
    /// Where the index or the chunk files cannot be opened.
    pub fn series(&self) -> Result<Series<'_>, TsdbError> {
        let index = Index::open(&self.dir.join("index"))?;
        let segments = segments(&self.dir.join("chunks"))?;
        Ok(Series { block: self, index, segments, current: None })
    }
}

/// Samples of one series, in order of time.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    /// Labels of the series.
    pub labels: Labels,
    /// The samples; a long series comes as several pieces, one after the other.
    pub samples: SampleBuffer,
}

/// A walk over the series of a block. An error tells of one chunk or one series that cannot be read; it is passed over, and
/// the walk goes on behind it as far as that can be found.
#[derive(Debug)]
pub struct Series<'b> {
    block: &'b Block,
    index: Index,
    segments: Vec<Window>,
    /// A series and how many of its chunks were read.
    current: Option<(Entry, usize)>,
}

impl Series<'_> {
    fn read_piece(&mut self) -> Result<Option<Piece>, TsdbError> {
        loop {
            let (entry, from) = match self.current.take() {
                Some(current) => current,
                None => match self.index.next()? {
                    Some(entry) => (entry, 0),
                    None => return Ok(None),
                },
            };
            let mut samples = SampleBuffer::default();
            let mut read = from;
            while read < entry.chunks.len() && weight(&samples) < PIECE {
                let whole = samples.len();
                if let Err(error) = self.read_chunk(&entry, entry.chunks[read], &mut samples) {
                    if read > from {
                        // What was read before it comes first; the chunk is met again then.
                        samples.truncate(whole);
                        break;
                    }
                    let error = error.of_series(&entry.labels);
                    self.current = Some((entry, read + 1));
                    return Err(error);
                }
                read += 1;
            }
            let deleted = self.block.tombstones.get(&entry.number);
            let samples = in_order(samples, deleted.map_or(&[][..], Vec::as_slice));
            let labels = entry.labels.clone();
            if read < entry.chunks.len() {
                self.current = Some((entry, read));
            }
            if !samples.is_empty() {
                return Ok(Some(Piece { labels, samples }));
            }
        }
    }

    fn read_chunk(&mut self, entry: &Entry, place: ChunkPlace, out: &mut SampleBuffer) -> Result<(), TsdbError> {
        let Some(file) = self.segments.get_mut(place.segment) else {
            let reason = format!("the series has a chunk in file {} of chunks, which is missing", place.segment + 1);
            return Err(TsdbError::damaged(&self.block.dir.join("index"), entry.offset, reason));
        };
        let head = file.up_to(place.offset, MAX_CHUNK_HEADER)?;
        let available = head.len();
        let mut bytes = Bytes::new(head);
        let header = uvarint(|| bytes.u8()).and_then(|length| Ok((length, bytes.u8()?)));
        let used = (available - bytes.len()) as u64;
        let Ok((length, encoding)) = header else {
            return Err(file.damaged(place.offset, "a chunk has no valid length"));
        };
        let content_at = place.offset + used - 1;
        let taken = file.get(content_at, length.saturating_add(1 + CRC), "a chunk")?;
        let (content, checksum) = taken.split_at(taken.len() - CRC as usize);
        let decoded = match crc32c::crc32c(content).to_be_bytes() == checksum {
            true => chunk::decode(encoding, &content[1..], out),
            false => Err(ChunkError::Damaged("the checksum of a chunk does not match")),
        };
        decoded.map_err(|error| match error {
            ChunkError::Damaged(reason) => file.damaged(place.offset, reason),
            ChunkError::Encoding(encoding) => TsdbError::Unsupported {
                path: file.path.clone(),
                reason: format!(
                    "the chunk at byte {} has encoding {encoding}; 1 (floats), 2 (histograms) and 3 (float histograms) are known",
                    place.offset
                ),
            },
        })
    }
}

impl Iterator for Series<'_> {
    type Item = Result<Piece, TsdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_piece().transpose()
    }
}

fn weight(samples: &SampleBuffer) -> usize {
    let buckets = |h: &model::FloatHistogram| h.positive_buckets.len() + h.negative_buckets.len();
    // All histograms of a chunk are alike, so the last stands for the rest.
    let each = samples.histograms.last().map_or(0, |(_, h)| buckets(h) + 16);
    samples.len() + each * samples.histograms.len()
}

/// What is left without the deleted ranges, strictly in order of time: of two samples of one time the first counts.
fn in_order(samples: SampleBuffer, deleted: &[TimeRange]) -> SampleBuffer {
    let is_deleted = |t: i64| deleted.iter().any(|range| range.contains(Timestamp(t)));
    let is_sorted = samples.timestamps.is_sorted_by(|a, b| a < b);
    if is_sorted && !samples.timestamps.iter().any(|t| is_deleted(*t)) {
        return samples;
    }
    let mut order: Vec<usize> = (0..samples.len()).filter(|row| !is_deleted(samples.timestamps[*row])).collect();
    order.sort_by_key(|row| samples.timestamps[*row]);
    order.dedup_by_key(|row| samples.timestamps[*row]);
    let mut kept = SampleBuffer::default();
    order.into_iter().for_each(|row| kept.push_row(&samples, row));
    kept
}

/// The chunk files in order of their numbers.
fn segments(dir: &Path) -> Result<Vec<Window>, TsdbError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(TsdbError::io(dir))? {
        let path = entry.map_err(TsdbError::io(dir))?.path();
        let is_number = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if path.file_name().is_some_and(is_number) {
            paths.push(path);
        }
    }
    paths.sort();
    let open = |path: PathBuf| {
        let mut file = Window::open(&path)?;
        let header = file.get(0, SEGMENT_HEADER, "the header")?;
        if header[..4] != SEGMENT_MAGIC {
            return Err(file.damaged(0, "this is not a file of chunks"));
        }
        if header[4] != 1 {
            let reason = format!("version {} of chunk files is not known here, only 1", header[4]);
            return Err(TsdbError::Unsupported { path, reason });
        }
        Ok(file)
    };
    paths.into_iter().map(open).collect()
}
