//! Writing a record.

use blocks::wal::Record;
use hashbrown::HashMap;
use model::{Labels, Metadata, Sample, SampleBuffer, SampleValue};

use super::{BITS, EXEMPLARS, FLOATS, HASHED_SERIES, INTEGER, METADATA, SAMPLES, SHORT, TYPES};
use crate::block::SeriesHash;
use crate::bytes::{put_signed, put_text, put_varint, zigzag};
use crate::chunk;
use crate::head::{Pair, Symbol, Symbols, push_sample};

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
    pub(crate) fn define(&mut self, id: u64, identity: SeriesHash, pairs: &[Pair], symbols: &Symbols) {
        self.series.put_id(id);
        self.series.bytes.extend_from_slice(&identity.0.to_le_bytes());
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
            (HASHED_SERIES, &self.series),
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
