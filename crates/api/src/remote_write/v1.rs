//! `prometheus.WriteRequest` of Remote-Write 1.0 (`prompb/remote.proto`, `prompb/types.proto`).

use super::dialect::{Dialect, MetadataFault, RawMetadata};
use super::labels::{LabelFault, RawLabel};
use super::wire::{Reader, Value, WireError};
use crate::ingest::cache::SeriesKey;

const METADATA: u32 = 3;

/// Metadata of a family, by name.
pub(super) type FamilyMetadata<'a> = (&'a [u8], RawMetadata<'a>);

/// The message: labels stand in each series as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct V1;

impl V1 {
    pub(super) const SERIES: u32 = 1;

    /// Counts the series and reads the metadata of a request, and checks that the request is a list of whole fields.
    pub(super) fn scan<'a>(
        request: &'a [u8],
        most: usize,
    ) -> Result<(usize, Vec<FamilyMetadata<'a>>, Option<MetadataFault>), WireError> {
        let mut reader = Reader::new(request);
        let (mut series, mut found, mut fault) = (0, Vec::new(), None);
        let mut is_version_2 = false;
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (METADATA, Value::Bytes(_)) if found.len() == most => fault = Some(MetadataFault::TooMany(most)),
                (METADATA, Value::Bytes(message)) => found.push(family(message)?),
                (Self::SERIES, Value::Bytes(_)) => series += 1,
                (Self::SERIES | METADATA, _) => return Err(WireError::FieldType(number)),
                _ => is_version_2 |= matches!(number, super::v2::SYMBOLS | super::v2::SERIES),
            }
        }
        if is_version_2 && series == 0 && found.is_empty() {
            return Err(WireError::OtherVersion("2.0"));
        }
        Ok((series, found, fault))
    }
}

fn family(message: &[u8]) -> Result<FamilyMetadata<'_>, WireError> {
    let (mut name, mut metadata): (&[u8], _) = (&[], RawMetadata::default());
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Value::Varint(v)) => metadata.metric_type = v,
            (2, Value::Bytes(v)) => name = v,
            (4, Value::Bytes(v)) => metadata.help = v,
            (5, Value::Bytes(v)) => metadata.unit = v,
            (1 | 2 | 4 | 5, _) => return Err(WireError::FieldType(number)),
            _ => {}
        }
    }
    Ok((name, metadata))
}

fn label(message: &[u8]) -> Result<RawLabel<'_>, WireError> {
    let mut label: RawLabel<'_> = (&[], &[]);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Value::Bytes(v)) => label.0 = v,
            (2, Value::Bytes(v)) => label.1 = v,
            (1 | 2, _) => return Err(WireError::FieldType(number)),
            _ => {}
        }
    }
    Ok(label)
}

impl<'a> Dialect<'a> for V1 {
    const HISTOGRAMS: u32 = 4;
    const EXEMPLARS: u32 = 3;
    const METADATA: u32 = 0;
    const CREATED: u32 = 0;
    const NEEDS_SAMPLES: bool = false;
    const NEEDS_EXEMPLARS_WRITTEN: bool = false;

    fn series_field(&self) -> u32 {
        Self::SERIES
    }

    #[inline]
    fn key(&self, head: &'a [u8], _: &mut Vec<u8>) -> Option<SeriesKey> {
        Some(SeriesKey::of(head))
    }

    fn labels(&self, message: &'a [u8], out: &mut Vec<RawLabel<'a>>) -> Result<Result<(), LabelFault>, WireError> {
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (1, Value::Bytes(v)) => out.push(label(v)?),
                (1, _) => return Err(WireError::FieldType(number)),
                _ => {}
            }
        }
        Ok(Ok(()))
    }

    fn metadata(&self, _: &'a [u8]) -> Result<Result<RawMetadata<'a>, MetadataFault>, WireError> {
        Ok(Ok(RawMetadata::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote_write::v2::{TableFault, V2};

    #[test]
    fn messages_of_the_other_version_are_told_apart() {
        // A symbols table of one empty text and an empty series; an empty series.
        let (version_2, version_1) = ([4 << 3 | 2, 0, 5 << 3 | 2, 0], [1 << 3 | 2, 0]);
        assert!(V2::scan(&version_2).is_ok() && V1::scan(&version_1, 1).is_ok());
        assert_eq!(V1::scan(&version_2, 1).unwrap_err(), WireError::OtherVersion("2.0"));
        assert_eq!(V2::scan(&version_1).unwrap_err(), TableFault::Wire(WireError::OtherVersion("1.0")));
        assert!(V2::scan(&[]).is_ok() && V1::scan(&[], 1).is_ok(), "nothing to say is allowed");
    }
}
