//! The log's records: each holds entries of one tenant together with the labels of their streams, and needs no other.
//!
//! ```text
//! version 1 | tenant | streams: count, each: labels: count, each: name, value
//!           | entries: count, each: stream, time less the one before, line, metadata: count, each: name, value
//! ```

use blocks::bytes::{Damaged, Reader, put_signed, put_text, put_varint};
use blocks::wal::Record;
use model::{Labels, LogBatch, Tenant};

const VERSION: u64 = 1;

/// Writes the entries of a batch that `takes` answers true for.
pub(crate) fn encode(batch: &LogBatch, takes: &[bool], record: &mut Record) {
    record.clear();
    let out = record.payload();
    out.reserve(batch.text_bytes() + 16 * batch.len());
    put_varint(out, VERSION);
    put_text(out, batch.tenant.as_str());
    // Streams without an entry that is taken are left out.
    let mut places = vec![u32::MAX; batch.streams().len()];
    let mut used = Vec::new();
    for (entry, _) in batch.iter().zip(takes).filter(|(_, takes)| **takes) {
        let place = &mut places[entry.stream() as usize];
        if *place == u32::MAX {
            *place = used.len() as u32;
            used.push(entry.stream());
        }
    }
    put_varint(out, used.len() as u64);
    for stream in used {
        let labels = &batch.streams()[stream as usize];
        put_varint(out, labels.len() as u64);
        for label in labels.iter() {
            put_text(out, label.name);
            put_text(out, label.value);
        }
    }
    put_varint(out, takes.iter().filter(|takes| **takes).count() as u64);
    let mut before = 0_i64;
    for (entry, _) in batch.iter().zip(takes).filter(|(_, takes)| **takes) {
        put_varint(out, u64::from(places[entry.stream() as usize]));
        put_signed(out, entry.timestamp().wrapping_sub(before));
        before = entry.timestamp();
        put_varint(out, entry.line().len() as u64);
        out.extend_from_slice(entry.line());
        let metadata = entry.metadata_texts();
        put_varint(out, metadata.len() as u64);
        for text in metadata.flat_map(|(name, value)| [name, value]) {
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text);
        }
    }
}

/// Reads a record back as a batch.
pub(crate) fn decode(bytes: &[u8]) -> Result<LogBatch, Damaged> {
    let mut reader = Reader(bytes);
    if reader.varint()? != VERSION {
        return Err(Damaged("a record of an unknown version"));
    }
    let tenant = Tenant::new(reader.text()?).map_err(|_| Damaged("a tenant's name is not allowed"))?;
    let mut batch = LogBatch::new(tenant);
    let streams = reader.count(1)?;
    for _ in 0..streams {
        let labels = reader.count(2)?;
        let pairs = (0..labels).map(|_| Ok((reader.text()?, reader.text()?))).collect::<Result<Vec<_>, Damaged>>()?;
        batch.add_stream(Labels::from_pairs(pairs));
    }
    let entries = reader.count(4)?;
    let mut time = 0_i64;
    let mut metadata = Vec::new();
    for _ in 0..entries {
        let stream = reader.varint()?;
        if stream >= streams as u64 {
            return Err(Damaged("an entry of no stream"));
        }
        time = time.wrapping_add(reader.signed()?);
        let length = reader.count(1)?;
        let line = reader.take(length)?;
        metadata.clear();
        for _ in 0..reader.count(2)? {
            metadata.push((reader.text()?, reader.text()?));
        }
        batch.push(stream as u32, time, line, metadata.iter().copied());
    }
    if reader.is_empty() { Ok(batch) } else { Err(Damaged("bytes behind the last entry")) }
}

#[cfg(test)]
mod tests {
    use blocks::wal::FRAME;
    use proptest::prelude::*;

    use super::*;

    fn any_batch() -> impl Strategy<Value = LogBatch> {
        let entry = (
            0_u32..3,
            any::<i64>(),
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(("[a-c]", "[ -~]{0,9}"), 0..3),
        );
        proptest::collection::vec(entry, 0..20).prop_map(|entries| {
            let mut batch = LogBatch::new(Tenant::new("t").unwrap());
            for n in 0..3 {
                batch.add_stream(Labels::from_pairs([("app", format!("a{n}"))]));
            }
            for (stream, time, line, metadata) in entries {
                batch.push(stream, time, &line, metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            }
            batch
        })
    }

    fn listed(batch: &LogBatch) -> Vec<String> {
        let text = |e: model::LogEntry<'_>| {
            let metadata: Vec<_> = e.metadata().collect();
            format!("{} {} {:?} {metadata:?}", batch.streams()[e.stream() as usize], e.timestamp(), e.line())
        };
        batch.iter().map(text).collect()
    }

    proptest! {
        #[test]
        fn records_come_back(batch in any_batch(), every in 1_usize..4) {
            let takes: Vec<bool> = (0..batch.len()).map(|at| at % every == 0).collect();
            let mut record = Record::new();
            encode(&batch, &takes, &mut record);
            let back = decode(&record.seal()[FRAME..]).unwrap();
            let wanted: Vec<String> = listed(&batch).into_iter().step_by(every).collect();
            prop_assert_eq!(listed(&back), wanted);
        }

        #[test]
        fn damaged_records_never_panic(batch in any_batch(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut record = Record::new();
            encode(&batch, &vec![true; batch.len()], &mut record);
            let mut bytes = record.seal()[FRAME..].to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes);
            let _ = decode(&bytes[..at]);
        }
    }
}
