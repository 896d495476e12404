//! `io.prometheus.write.v2.Request` of Remote-Write 2.0 (`prompb/io/prometheus/write/v2/types.proto`, 2.0-rc.4).
//!
//! Every text stands once in the symbols table and is named by its place there. Places change from request to request, so a
//! series is remembered under the hashes of its texts, which are computed once for each entry of the table.

use thiserror::Error;

use super::dialect::{Dialect, MetadataFault, RawMetadata};
use super::labels::{LabelFault, RawLabel};
use super::wire::{Reader, Value, WireError, each_varint};
use crate::ingest::cache::SeriesKey;

pub(super) const SYMBOLS: u32 = 4;
pub(super) const SERIES: u32 = 5;
/// Entries of a symbols table; bounds the memory of a table of empty texts.
const MAX_SYMBOLS: usize = 2 << 20;

/// Why a whole request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum TableFault {
    #[error("malformed io.prometheus.write.v2.Request: {0}")]
    Wire(#[from] WireError),
    #[error("the first entry of the symbols table must be the empty string, as the specification demands")]
    FirstSymbol,
    #[error("the symbols table has more than {MAX_SYMBOLS} entries")]
    TooManySymbols,
}

/// The message with its symbols table.
#[derive(Debug)]
pub(super) struct V2<'a> {
    /// Series messages in the request.
    pub(super) series: usize,
    symbols: Vec<&'a [u8]>,
    hashes: Vec<[u8; 16]>,
}

impl<'a> V2<'a> {
    /// Reads the symbols table, and checks that the request is a list of whole fields.
    pub(super) fn scan(request: &'a [u8]) -> Result<Self, TableFault> {
        let mut symbols: Vec<&'a [u8]> = Vec::new();
        let (mut series, mut is_version_1) = (0, false);
        let mut reader = Reader::new(request);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (SYMBOLS, Value::Bytes(_)) if symbols.len() == MAX_SYMBOLS => return Err(TableFault::TooManySymbols),
                (SYMBOLS, Value::Bytes(symbol)) => symbols.push(symbol),
                (SERIES, Value::Bytes(_)) => series += 1,
                (SYMBOLS | SERIES, _) => return Err(WireError::FieldType(number).into()),
                _ => is_version_1 |= number == super::v1::V1::SERIES,
            }
        }
        if is_version_1 && series == 0 {
            return Err(WireError::OtherVersion("1.0").into());
        }
        let starts_empty = symbols.first().map_or(series == 0, |first| first.is_empty());
        if !starts_empty {
            return Err(TableFault::FirstSymbol);
        }
        let hashes = symbols.iter().map(|symbol| xxhash_rust::xxh3::xxh3_128(symbol).to_le_bytes()).collect();
        Ok(V2 { series, symbols, hashes })
    }

    fn symbol(&self, reference: u64) -> Option<&'a [u8]> {
        self.symbols.get(usize::try_from(reference).ok()?).copied()
    }
}

impl<'a> Dialect<'a> for V2<'a> {
    const HISTOGRAMS: u32 = 3;
    const EXEMPLARS: u32 = 4;
    const METADATA: u32 = 5;
    /// Until 2.0-rc.3 a series had one start timestamp for all samples; Prometheus 3.5 still sends it.
    const CREATED: u32 = 6;
    const NEEDS_SAMPLES: bool = true;
    const NEEDS_EXEMPLARS_WRITTEN: bool = true;

    fn series_field(&self) -> u32 {
        SERIES
    }

    #[inline]
    fn key(&self, head: &'a [u8], scratch: &mut Vec<u8>) -> Option<SeriesKey> {
        scratch.clear();
        let mut head = Reader::new(head);
        while !head.is_empty() {
            // The tag, which is that of field 1.
            head.varint().ok()?;
            let mut references = Reader::new(head.delimited().ok()?);
            while !references.is_empty() {
                let reference = usize::try_from(references.varint().ok()?).ok()?;
                scratch.extend_from_slice(self.hashes.get(reference)?);
            }
        }
        Some(SeriesKey::of(scratch))
    }

    fn labels(&self, message: &'a [u8], out: &mut Vec<RawLabel<'a>>) -> Result<Result<(), LabelFault>, WireError> {
        let mut references = Vec::new();
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            if number == 1 {
                each_varint(number, value, |reference| references.push(reference))?;
            }
        }
        if !references.len().is_multiple_of(2) {
            return Ok(Err(LabelFault::OddReferences(references.len())));
        }
        for pair in references.chunks_exact(2) {
            let (Some(name), Some(value)) = (self.symbol(pair[0]), self.symbol(pair[1])) else {
                let size = self.symbols.len();
                return Ok(Err(LabelFault::Reference { name: pair[0], value: pair[1], size }));
            };
            out.push((name, value));
        }
        Ok(Ok(()))
    }

    fn metadata(&self, message: &'a [u8]) -> Result<Result<RawMetadata<'a>, MetadataFault>, WireError> {
        let (mut metric_type, mut help, mut unit) = (0, 0, 0);
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (1, Value::Varint(v)) => metric_type = v,
                (3, Value::Varint(v)) => help = v,
                (4, Value::Varint(v)) => unit = v,
                (1 | 3 | 4, _) => return Err(WireError::FieldType(number)),
                _ => {}
            }
        }
        let size = self.symbols.len();
        let outside = |field, reference| Ok(Err(MetadataFault::Reference { field, reference, size }));
        let Some(help_text) = self.symbol(help) else { return outside("help_ref", help) };
        let Some(unit_text) = self.symbol(unit) else { return outside("unit_ref", unit) };
        if metric_type == 0 && help_text.is_empty() && unit_text.is_empty() {
            return Ok(Ok(RawMetadata::default()));
        }
        let part = |reference: u64, shift: u32| {
            let hash = &self.hashes[reference as usize];
            u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]).rotate_left(shift)
        };
        let hash = (part(help, 0) ^ part(unit, 11) ^ (metric_type as u32).wrapping_mul(0x9e37_79b9)).max(1);
        Ok(Ok(RawMetadata { metric_type, help: help_text, unit: unit_text, hash }))
    }
}
