//! What a log record says: series definitions, samples, exemplars, metadata of one tenant.
//!
//! ```text
//! tenant | section*            section = tag u8 | count | entries
//! ```
//!
//! Texts within a record are written once and then called by their number. Samples name their series by id, as the
//! difference to the id before: neighbours in a scrape are neighbours here, so that is mostly one byte.

use std::sync::Arc;

use blocks::wal::Record;
use hashbrown::HashMap;
use model::{Exemplar, Labels, Metadata, MetricType, Sample, SampleBuffer, SampleValue, Timestamp};

use crate::bytes::{Damaged, Reader, put_signed, put_text, put_varint, zigzag};
use crate::chunk;
use crate::head::{Pair, Symbol, Symbols, push_sample};

const SERIES: u8 = 1;
const FLOATS: u8 = 2;
const SAMPLES: u8 = 3;
const EXEMPLARS: u8 = 4;
const METADATA: u8 = 5;

// How a float is written; stands in the low bits of the time difference.
const BITS: u64 = 0;
const INTEGER: u64 = 1;
const SHORT: u64 = 2;

#[derive(Debug, Default)]
struct Section {
    bytes: Vec<u8>,
    count: u64,
    id: u64,
    time: i64,
}

impl Section {
    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.id = 0;
        self.time = 0;
    }

    fn put_id(&mut self, id: u64) {
        self.count += 1;
        put_signed(&mut self.bytes, id.wrapping_sub(self.id) as i64);
        self.id = id;
    }
}

/// Collects the entries of one record.
#[derive(Debug, Default)]
pub(crate) struct RecordWriter {
    record: Record,
    series: Section,
    texts: HashMap<Symbol, u64>,
    floats: Section,
    samples: Section,
    exemplars: Section,
    metadata: Section,
}

impl RecordWriter {
    /// Forgets all entries and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.record.clear();
        self.texts.clear();
        for section in [&mut self.series, &mut self.floats, &mut self.samples, &mut self.exemplars, &mut self.metadata]
        {
            section.clear();
        }
    }

    /// Bytes collected so far.
    pub(crate) fn len(&self) -> usize {
        let sections = [&self.series, &self.floats, &self.samples, &self.exemplars, &self.metadata];
        sections.iter().map(|s| s.bytes.len()).sum()
    }

    /// Says which labels a series has.
    pub(crate) fn define(&mut self, id: u64, pairs: &[Pair], symbols: &Symbols) {
        self.series.put_id(id);
        put_varint(&mut self.series.bytes, pairs.len() as u64);
        for symbol in pairs.iter().flat_map(|pair| [pair.name, pair.value]) {
            let next = self.texts.len() as u64 + 1;
            match self.texts.entry(symbol) {
                hashbrown::hash_map::Entry::Occupied(known) => put_varint(&mut self.series.bytes, *known.get()),
                hashbrown::hash_map::Entry::Vacant(vacant) => {
                    vacant.insert(next);
                    self.series.bytes.push(0);
                    put_text(&mut self.series.bytes, symbols.text(symbol));
                }
            }
        }
    }

    /// A float without a start timestamp.
    pub(crate) fn float(&mut self, id: u64, time: i64, bits: u64) {
        let section = &mut self.floats;
        section.put_id(id);
        let step = time.wrapping_sub(section.time);
        section.time = time;
        let value = f64::from_bits(bits);
        let integer = value as i64;
        let kind = if integer.unsigned_abs() < 1 << 48 && (integer as f64).to_bits() == bits {
            INTEGER
        } else if bits.trailing_zeros() >= 16 {
            SHORT
        } else {
            BITS
        };
        let step = zigzag(step);
        if step < 1 << 61 {
            put_varint(&mut section.bytes, step << 2 | kind);
        } else {
            // Too far for the low bits: an absolute time follows.
            put_varint(&mut section.bytes, 3 | kind << 2);
            section.bytes.extend_from_slice(&time.to_le_bytes());
        }
        match kind {
            INTEGER => put_signed(&mut section.bytes, integer),
            SHORT => put_varint(&mut section.bytes, bits.swap_bytes()),
            _ => section.bytes.extend_from_slice(&bits.to_le_bytes()),
        }
    }

    /// Any sample.
    pub(crate) fn sample(&mut self, id: u64, sample: &Sample) {
        if let (SampleValue::Float(value), None) = (&sample.value, sample.start_timestamp) {
            return self.float(id, sample.timestamp.ms(), value.to_bits());
        }
        self.samples.put_id(id);
        let mut one = SampleBuffer::default();
        push_sample(&mut one, sample);
        chunk::encode_list(&one, &mut self.samples.bytes);
    }

    /// An exemplar of a series.
    pub(crate) fn exemplar(&mut self, id: u64, time: i64, value: f64, labels: &Labels) {
        self.exemplars.put_id(id);
        let bytes = &mut self.exemplars.bytes;
        put_signed(bytes, time);
        bytes.extend_from_slice(&value.to_le_bytes());
        put_varint(bytes, labels.len() as u64);
        for label in labels {
            put_text(bytes, label.name);
            put_text(bytes, label.value);
        }
    }

    /// What a metric family says of itself.
    pub(crate) fn metadata(&mut self, family: &str, metadata: &Metadata) {
        self.metadata.count += 1;
        let bytes = &mut self.metadata.bytes;
        put_text(bytes, family);
        bytes.push(TYPES.iter().position(|t| *t == metadata.metric_type).expect("every type is listed") as u8);
        put_text(bytes, &metadata.help);
        put_text(bytes, &metadata.unit);
    }

    /// True where there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole record as it stands in a log.
    pub(crate) fn finish(&mut self, tenant: &str) -> &[u8] {
        let payload = self.record.payload();
        put_text(payload, tenant);
        let sections = [
            (SERIES, &self.series),
            (FLOATS, &self.floats),
            (SAMPLES, &self.samples),
            (EXEMPLARS, &self.exemplars),
            (METADATA, &self.metadata),
        ];
        for (tag, section) in sections {
            if section.count > 0 {
                payload.push(tag);
                put_varint(payload, section.count);
                payload.extend_from_slice(&section.bytes);
            }
        }
        self.record.seal()
    }
}

const TYPES: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

/// A series' labels, sorted by name, as the record has them: texts by their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition<'a> {
    pub(crate) id: u64,
    /// Name and value of each label.
    pub(crate) labels: &'a [(u32, u32)],
    /// The texts of the record up to here.
    pub(crate) texts: &'a [&'a str],
}

impl<'a> Definition<'a> {
    /// The labels with their texts.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (labels, texts) = (self.labels, self.texts);
        labels.iter().map(move |(name, value)| (texts[*name as usize], texts[*value as usize]))
    }
}

/// One entry of a record that is read back.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    /// A series.
    Series(Definition<'a>),
    /// A sample of a series.
    Sample(u64, Sample),
    /// An exemplar of a series; its timestamp is present.
    Exemplar(u64, Exemplar),
    /// Metadata of a family.
    Metadata(&'a str, Metadata),
}

/// The tenant that a record's payload begins with, and the entries that follow.
pub(crate) fn tenant(payload: &[u8]) -> Result<(&str, &[u8]), Damaged> {
    let mut reader = Reader(payload);
    Ok((reader.text()?, reader.0))
}

/// Reads every entry that follows the tenant.
pub(crate) fn decode(entries: &[u8], visit: &mut impl FnMut(Entry<'_>)) -> Result<(), Damaged> {
    let mut reader = Reader(entries);
    while !reader.is_empty() {
        let tag = reader.byte()?;
        let count = reader.count(2)?;
        match tag {
            SERIES => decode_series(&mut reader, count, visit)?,
            FLOATS => decode_floats(&mut reader, count, visit)?,
            SAMPLES => decode_samples(&mut reader, count, visit)?,
            EXEMPLARS => decode_exemplars(&mut reader, count, visit)?,
            METADATA => {
                for _ in 0..count {
                    let family = reader.text()?;
                    let kind = usize::from(reader.byte()?);
                    let metric_type = *TYPES.get(kind).ok_or(Damaged("unknown metric type"))?;
                    let (help, unit) = (reader.text()?.to_owned(), reader.text()?.to_owned());
                    visit(Entry::Metadata(family, Metadata { metric_type, help, unit }));
                }
            }
            _ => return Err(Damaged("unknown section")),
        }
    }
    Ok(())
}

fn next_id(reader: &mut Reader<'_>, id: &mut u64) -> Result<u64, Damaged> {
    *id = id.wrapping_add(reader.signed()? as u64);
    Ok(*id)
}

fn decode_series<'a>(reader: &mut Reader<'a>, count: usize, visit: &mut impl FnMut(Entry<'_>)) -> Result<(), Damaged> {
    let mut texts: Vec<&'a str> = Vec::new();
    let mut labels: Vec<(u32, u32)> = Vec::new();
    let mut id = 0;
    for _ in 0..count {
        let id = next_id(reader, &mut id)?;
        let n = reader.count(2)?;
        labels.clear();
        for _ in 0..n {
            let mut text = || match reader.varint()? {
                0 => {
                    let text = reader.text()?;
                    texts.push(text);
                    Ok(texts.len() as u32 - 1)
                }
                known if known <= texts.len() as u64 => Ok(known as u32 - 1),
                _ => Err(Damaged("unknown text number")),
            };
            labels.push((text()?, text()?));
        }
        if !labels.is_sorted_by(|a, b| texts[a.0 as usize] < texts[b.0 as usize]) {
            return Err(Damaged("labels are not sorted"));
        }
        visit(Entry::Series(Definition { id, labels: &labels, texts: &texts }));
    }
    Ok(())
}

fn decode_floats(reader: &mut Reader<'_>, count: usize, visit: &mut impl FnMut(Entry<'_>)) -> Result<(), Damaged> {
    let (mut id, mut time) = (0, 0_i64);
    for _ in 0..count {
        let id = next_id(reader, &mut id)?;
        let step = reader.varint()?;
        let kind = if step & 3 == 3 {
            time = reader.u64()? as i64;
            step >> 2
        } else {
            time = time.wrapping_add(crate::bytes::unzigzag(step >> 2));
            step & 3
        };
        let value = match kind {
            INTEGER => reader.signed()? as f64,
            SHORT => f64::from_bits(reader.varint()?.swap_bytes()),
            BITS => f64::from_bits(reader.u64()?),
            _ => return Err(Damaged("unknown float coding")),
        };
        visit(Entry::Sample(id, Sample::float(Timestamp(time), value)));
    }
    Ok(())
}

fn decode_samples(reader: &mut Reader<'_>, count: usize, visit: &mut impl FnMut(Entry<'_>)) -> Result<(), Damaged> {
    let mut id = 0;
    let mut buffer = SampleBuffer::default();
    for _ in 0..count {
        let id = next_id(reader, &mut id)?;
        let length = reader.count(1)?;
        buffer.clear();
        chunk::decode(reader.take(length)?, model::TimeRange::ALL, &mut buffer)?;
        for sample in samples(&buffer) {
            visit(Entry::Sample(id, sample));
        }
    }
    Ok(())
}

/// The rows of a buffer as samples.
pub(crate) fn samples(buffer: &SampleBuffer) -> impl Iterator<Item = Sample> {
    let mut histograms = buffer.histograms.iter().peekable();
    (0..buffer.len()).map(move |row| {
        let value = match histograms.next_if(|(r, _)| *r as usize == row) {
            Some((_, histogram)) => SampleValue::Histogram(Arc::clone(histogram)),
            None => SampleValue::Float(buffer.values[row]),
        };
        let start = buffer.start_timestamps.get(row).copied().filter(|s| *s != 0).map(Timestamp);
        Sample { timestamp: Timestamp(buffer.timestamps[row]), start_timestamp: start, value }
    })
}

fn decode_exemplars(reader: &mut Reader<'_>, count: usize, visit: &mut impl FnMut(Entry<'_>)) -> Result<(), Damaged> {
    let mut id = 0;
    for _ in 0..count {
        let id = next_id(reader, &mut id)?;
        let time = Timestamp(reader.signed()?);
        let value = f64::from_bits(reader.u64()?);
        let n = reader.count(2)?;
        let mut pairs = Vec::with_capacity(n);
        for _ in 0..n {
            pairs.push((reader.text()?, reader.text()?));
        }
        let exemplar = Exemplar { labels: Labels::from_pairs(pairs), value, timestamp: Some(time) };
        visit(Entry::Exemplar(id, exemplar));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::FloatHistogram;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// A text for every entry, bit by bit.
    fn entries(payload: &[u8]) -> Result<Vec<String>, Damaged> {
        let mut found = Vec::new();
        let (tenant, rest) = tenant(payload)?;
        decode(rest, &mut |entry| {
            let bits = match &entry {
                Entry::Sample(_, Sample { value: SampleValue::Float(v), .. }) => v.to_bits(),
                _ => 0,
            };
            found.push(match entry {
                Entry::Series(series) => {
                    format!("{tenant} Series({}, {:?})", series.id, series.pairs().collect::<Vec<_>>())
                }
                entry => format!("{tenant} {bits} {entry:?}"),
            });
        })?;
        Ok(found)
    }

    fn payload(writer: &mut RecordWriter) -> Vec<u8> {
        writer.finish("t")[blocks::wal::FRAME..].to_vec()
    }

    fn example() -> Vec<u8> {
        let mut symbols = Symbols::default();
        let mut writer = RecordWriter::default();
        writer.clear();
        for id in [7, 8, 100] {
            let name = symbols.acquire("__name__").0;
            let value = symbols.acquire(&format!("metric_{id}")).0;
            let job = Pair { name: symbols.acquire("job").0, value: symbols.acquire("x").0 };
            writer.define(id, &[Pair { name, value }, job], &symbols);
            writer.float(id, 1_700_000_000_000 + id as i64, (id as f64 / 3.0).to_bits());
        }
        let histogram = FloatHistogram { sum: 3.5, ..FloatHistogram::default() };
        let value = SampleValue::Histogram(Arc::new(histogram));
        writer.sample(8, &Sample { timestamp: Timestamp(5), start_timestamp: Some(Timestamp(1)), value });
        writer.exemplar(7, 6, 1.5, &Labels::from_pairs([("trace_id", "abc")]));
        writer.metadata("m", &Metadata { metric_type: MetricType::Gauge, help: "Help.".into(), unit: "s".into() });
        payload(&mut writer)
    }

    #[test]
    fn every_kind_of_entry_is_read_back() {
        let found = entries(&example()).unwrap();
        assert_eq!(found.len(), 9);
        assert!(found[1].contains(r#"Series(8, [("__name__", "metric_8"), ("job", "x")])"#), "{}", found[1]);
        assert!(found[6].contains("start_timestamp: Some(Timestamp(1))") && found[6].contains("sum: 3.5"));
        assert!(found[7].contains("trace_id") && found[8].contains("Gauge"));
    }

    proptest! {
        #[test]
        fn floats_survive_bit_by_bit(rows in proptest::collection::vec((any::<u64>(), any::<i64>(), any::<u64>(), any::<i32>()), 1..50)) {
            let mut writer = RecordWriter::default();
            writer.clear();
            let mut expected = Vec::new();
            for (id, time, bits, integer) in rows {
                for bits in [bits, f64::from(integer).to_bits(), (f64::from(integer) / 4.0).to_bits()] {
                    writer.float(id, time, bits);
                    expected.push((id, time, bits));
                }
            }
            let mut found = Vec::new();
            let payload = payload(&mut writer);
            decode(tenant(&payload).unwrap().1, &mut |entry| {
                if let Entry::Sample(id, Sample { timestamp, value: SampleValue::Float(v), .. }) = entry {
                    found.push((id, timestamp.ms(), v.to_bits()));
                }
            }).unwrap();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn damaged_records_are_harmless() {
        let mut random = StdRng::seed_from_u64(5);
        let good = example();
        for _ in 0..50_000 {
            let mut bytes = good.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..3) {
                    0 => bytes[at] = random.random(),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, random.random()),
                }
            }
            let _ = entries(&bytes);
        }
    }
}
