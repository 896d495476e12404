//! Reading a record, section by section.
//!
//! Definitions are collected, as many of them share texts. Floats, of which a log mostly consists, are read one by one from a
//! place that can be noted and returned to.

use std::sync::Arc;

use model::{Exemplar, Labels, Metadata, Sample, SampleBuffer, SampleValue, Timestamp};

use super::{BITS, HASHED_SERIES, INTEGER, SERIES, SHORT, TYPES};
use crate::block::SeriesHash;
use crate::bytes::{Damaged, Reader, unzigzag};
use crate::chunk;

/// The tenant that a record's payload begins with, and the entries that follow.
pub(crate) fn tenant(payload: &[u8]) -> Result<(&str, &[u8]), Damaged> {
    let mut reader = Reader(payload);
    Ok((reader.text()?, reader.0))
}

/// The tag of the next section and the number of its entries.
pub(crate) fn section(reader: &mut Reader<'_>) -> Result<(u8, usize), Damaged> {
    Ok((reader.byte()?, reader.count(2)?))
}

#[inline]
fn next_id(reader: &mut Reader<'_>, id: &mut u64) -> Result<u64, Damaged> {
    *id = id.wrapping_add(reader.signed()? as u64);
    Ok(*id)
}

/// One series of [`Definitions`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition {
    pub(crate) id: u64,
    pub(crate) identity: SeriesHash,
    /// Where its labels end among all labels.
    end: u32,
}

/// The series that a record defines.
#[derive(Debug, Default)]
pub(crate) struct Definitions<'a> {
    /// Label names and values.
    pub(crate) texts: Vec<&'a str>,
    /// Name and value of each label, as numbers of texts; sorted by name within a series.
    labels: Vec<(u32, u32)>,
    series: Vec<Definition>,
    scratch: String,
}

impl<'a> Definitions<'a> {
    /// How many definitions the entries of a record begin with.
    pub(crate) fn count(entries: &[u8]) -> usize {
        match section(&mut Reader(entries)) {
            Ok((SERIES | HASHED_SERIES, count)) => count,
            _ => 0,
        }
    }

    /// Reads the definitions that the entries of a record begin with, in the place of those of another record. Those in front
    /// of damage are kept.
    pub(crate) fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Damaged> {
        self.texts.clear();
        self.labels.clear();
        self.series.clear();
        if !matches!(reader.0.first(), Some(&(SERIES | HASHED_SERIES))) {
            return Ok(());
        }
        let (tag, count) = section(reader)?;
        let mut id = 0;
        let mut last = 0..0;
        for _ in 0..count {
            let id = next_id(reader, &mut id)?;
            let stored = if tag == HASHED_SERIES { Some(reader.u128()?) } else { None };
            let labels = self.read_labels(reader, last)?;
            let identity = match stored {
                Some(hash) => SeriesHash(hash),
                None => {
                    let (texts, pairs) = (&self.texts, &self.labels[labels.clone()]);
                    let pairs = pairs.iter().map(|(name, value)| (texts[*name as usize], texts[*value as usize]));
                    SeriesHash::of_sorted(pairs, &mut self.scratch)
                }
            };
            self.series.push(Definition { id, identity, end: labels.end as u32 });
            last = labels;
        }
        Ok(())
    }

    /// Reads the labels of a series; `last` are those of the series before.
    fn read_labels(
        &mut self,
        reader: &mut Reader<'a>,
        last: std::ops::Range<usize>,
    ) -> Result<std::ops::Range<usize>, Damaged> {
        let n = reader.count(2)?;
        let start = self.labels.len();
        for _ in 0..n {
            let name = self.read_text(reader)?;
            let value = self.read_text(reader)?;
            self.labels.push((name, value));
        }
        let labels = &self.labels[start..];
        // Neighbours mostly have the same names, which were compared then.
        let are_known = last.len() == n && self.labels[last].iter().zip(labels).all(|(a, b)| a.0 == b.0);
        if !are_known && !labels.is_sorted_by(|a, b| self.texts[a.0 as usize] < self.texts[b.0 as usize]) {
            return Err(Damaged("labels are not sorted"));
        }
        Ok(start..self.labels.len())
    }

    fn read_text(&mut self, reader: &mut Reader<'a>) -> Result<u32, Damaged> {
        match reader.varint()? {
            0 => {
                self.texts.push(reader.text()?);
                Ok(self.texts.len() as u32 - 1)
            }
            known if known <= self.texts.len() as u64 => Ok(known as u32 - 1),
            _ => Err(Damaged("unknown text number")),
        }
    }

    /// True where a record defines nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The series with their labels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Definition, &[(u32, u32)])> {
        let starts = std::iter::once(0).chain(self.series.iter().map(|series| series.end));
        starts.zip(&self.series).map(|(start, series)| (*series, &self.labels[start as usize..series.end as usize]))
    }
}

/// A place among the floats of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floats<'a> {
    reader: Reader<'a>,
    id: u64,
    time: i64,
}

impl<'a> Floats<'a> {
    /// The beginning of a section's entries.
    pub(crate) fn new(reader: Reader<'a>) -> Self {
        Floats { reader, id: 0, time: 0 }
    }

    /// What follows.
    pub(crate) fn rest(self) -> Reader<'a> {
        self.reader
    }

    /// The series, the time in milliseconds and the bits of the next float.
    #[inline]
    pub(crate) fn read(&mut self) -> Result<(u64, i64, u64), Damaged> {
        let reader = &mut self.reader;
        let id = next_id(reader, &mut self.id)?;
        let step = reader.varint()?;
        let kind = if step & 3 == 3 {
            self.time = reader.u64()? as i64;
            step >> 2
        } else {
            self.time = self.time.wrapping_add(unzigzag(step >> 2));
            step & 3
        };
        let bits = match kind {
            INTEGER => (reader.signed()? as f64).to_bits(),
            SHORT => reader.varint()?.swap_bytes(),
            BITS => reader.u64()?,
            _ => return Err(Damaged("unknown float coding")),
        };
        Ok((id, self.time, bits))
    }
}

/// The series of the next entry of a section of samples, which began with the id 0, and the bytes of its samples.
pub(crate) fn sample<'a>(reader: &mut Reader<'a>, id: &mut u64) -> Result<(u64, &'a [u8]), Damaged> {
    let id = next_id(reader, id)?;
    let length = reader.count(1)?;
    Ok((id, reader.take(length)?))
}

/// The samples in the bytes that [`sample`] answers.
pub(crate) fn samples(bytes: &[u8], buffer: &mut SampleBuffer) -> Result<impl Iterator<Item = Sample>, Damaged> {
    buffer.clear();
    chunk::decode(bytes, model::TimeRange::ALL, buffer)?;
    let buffer = &*buffer;
    let mut histograms = buffer.histograms.iter().peekable();
    Ok((0..buffer.len()).map(move |row| {
        let value = match histograms.next_if(|(r, _)| *r as usize == row) {
            Some((_, histogram)) => SampleValue::Histogram(Arc::clone(histogram)),
            None => SampleValue::Float(buffer.values[row]),
        };
        let start = buffer.start_timestamps.get(row).copied().filter(|s| *s != 0).map(Timestamp);
        Sample { timestamp: Timestamp(buffer.timestamps[row]), start_timestamp: start, value }
    }))
}

/// The series and the exemplar of the next entry of a section of exemplars; its timestamp is present.
pub(crate) fn exemplar(reader: &mut Reader<'_>, id: &mut u64) -> Result<(u64, Exemplar), Damaged> {
    let id = next_id(reader, id)?;
    let time = Timestamp(reader.signed()?);
    let value = f64::from_bits(reader.u64()?);
    let n = reader.count(2)?;
    let mut pairs = Vec::with_capacity(n);
    for _ in 0..n {
        pairs.push((reader.text()?, reader.text()?));
    }
    Ok((id, Exemplar { labels: Labels::from_pairs(pairs), value, timestamp: Some(time) }))
}

/// The family and the metadata of the next entry of a section of metadata.
pub(crate) fn metadata<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, Metadata), Damaged> {
    let family = reader.text()?;
    let kind = usize::from(reader.byte()?);
    let metric_type = *TYPES.get(kind).ok_or(Damaged("unknown metric type"))?;
    let (help, unit) = (reader.text()?.to_owned(), reader.text()?.to_owned());
    Ok((family, Metadata { metric_type, help, unit }))
}
