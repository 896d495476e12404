//! What a log record says: series definitions, samples, exemplars, metadata of one tenant.
//!
//! ```text
//! tenant | section*            section = tag u8 | count | entries
//! ```
//!
//! Definitions come first. Texts within a record are written once and then called by their number. Samples name their series
//! by id, as the difference to the id before: neighbours in a scrape are neighbours here, so that is mostly one byte.

mod read;
mod write;

use model::MetricType;

pub(crate) use read::{Definition, Definitions, Floats, exemplar, metadata, sample, samples, section, tenant};
pub(crate) use write::RecordWriter;

/// Definitions without the hash of the labels, as versions before 2026-11-22 wrote them.
const SERIES: u8 = 1;
/// Samples: floats without a start timestamp.
pub(crate) const FLOATS: u8 = 2;
/// Samples of any kind.
pub(crate) const SAMPLES: u8 = 3;
/// Exemplars.
pub(crate) const EXEMPLARS: u8 = 4;
/// Metadata of families.
pub(crate) const METADATA: u8 = 5;
/// Definitions with the hash of the labels, which a start need not compute.
const HASHED_SERIES: u8 = 6;

// How a float is written; stands in the low bits of the time difference.
const BITS: u64 = 0;
const INTEGER: u64 = 1;
const SHORT: u64 = 2;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{FloatHistogram, Labels, Metadata, Sample, SampleBuffer, SampleValue, Timestamp};
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::block::SeriesHash;
    use crate::bytes::{Damaged, Reader, put_signed, put_text, put_varint};
    use crate::head::{Pair, Symbols};

    /// A text for every entry, bit by bit.
    fn entries(payload: &[u8]) -> Result<Vec<String>, Damaged> {
        let mut found = Vec::new();
        let (tenant, rest) = tenant(payload)?;
        let mut reader = Reader(rest);
        let mut definitions = Definitions::default();
        definitions.read(&mut reader)?;
        for (series, labels) in definitions.iter() {
            let text = |number: u32| definitions.texts[number as usize];
            let pairs: Vec<_> = labels.iter().map(|label| (text(label.0), text(label.1))).collect();
            found.push(format!("{tenant} Series({}, {:x}, {pairs:?})", series.id, series.identity.0));
        }
        while !reader.is_empty() {
            let (tag, count) = section(&mut reader)?;
            let mut floats = Floats::new(reader);
            let mut id = 0;
            for _ in 0..count {
                match tag {
                    FLOATS => {
                        found.push(format!("{tenant} Float{:?}", floats.read()?));
                        reader = floats.rest();
                    }
                    SAMPLES => {
                        let (id, bytes) = sample(&mut reader, &mut id)?;
                        let mut buffer = SampleBuffer::default();
                        found.extend(samples(bytes, &mut buffer)?.map(|s| format!("{tenant} Sample({id}, {s:?})")));
                    }
                    EXEMPLARS => found.push(format!("{tenant} Exemplar{:?}", exemplar(&mut reader, &mut id)?)),
                    METADATA => found.push(format!("{tenant} Metadata{:?}", metadata(&mut reader)?)),
                    _ => return Err(Damaged("unknown section")),
                }
            }
        }
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
            writer.define(id, SeriesHash(id.into()), &[Pair { name, value }, job], &symbols);
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
        assert!(found[1].contains(r#"Series(8, 8, [("__name__", "metric_8"), ("job", "x")])"#), "{}", found[1]);
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
            let payload = payload(&mut writer);
            let mut reader = Reader(tenant(&payload).unwrap().1);
            let (tag, count) = section(&mut reader).unwrap();
            prop_assert_eq!((tag, count), (FLOATS, expected.len()));
            let mut floats = Floats::new(reader);
            let found: Vec<_> = (0..count).map(|_| floats.read().unwrap()).collect();
            prop_assert!(floats.rest().is_empty());
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn definitions_without_hashes_are_read() {
        let mut payload = Vec::new();
        put_text(&mut payload, "t");
        payload.push(SERIES);
        put_varint(&mut payload, 2);
        for (id_step, name, value) in [(7, Some("job"), "x"), (1, None, "y")] {
            put_signed(&mut payload, id_step);
            put_varint(&mut payload, 1);
            match name {
                Some(name) => {
                    payload.push(0);
                    put_text(&mut payload, name);
                }
                None => payload.push(1),
            }
            payload.push(0);
            put_text(&mut payload, value);
        }
        let hash = |value| SeriesHash::of(&Labels::from_pairs([("job", value)])).0;
        let expected = [("x", 7), ("y", 8)]
            .map(|(value, id)| format!("t Series({id}, {:x}, {:?})", hash(value), [("job", value)]));
        assert_eq!(entries(&payload).unwrap(), expected);
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
