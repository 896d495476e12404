//! The exemplars of a row as bytes.
//!
//! ```text
//! exemplar*        exemplar = labels | value f64 | 0 or 1 | [time signed]        labels = count | (name | value)*
//! ```

use model::{Exemplar, Labels, Timestamp};

use crate::bytes::{Damaged, Reader, put_signed, put_text, put_varint};

/// Appends one exemplar.
pub(super) fn encode(exemplar: &Exemplar, out: &mut Vec<u8>) {
    put_varint(out, exemplar.labels.len() as u64);
    for label in &exemplar.labels {
        put_text(out, label.name);
        put_text(out, label.value);
    }
    out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
    out.push(u8::from(exemplar.timestamp.is_some()));
    if let Some(time) = exemplar.timestamp {
        put_signed(out, time.ms());
    }
}

/// Reads all exemplars.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Exemplar>, Damaged> {
    let mut reader = Reader(bytes);
    let mut out = Vec::new();
    while !reader.is_empty() {
        let count = reader.count(2)?;
        let pairs = (0..count).map(|_| Ok((reader.text()?, reader.text()?)));
        let labels = Labels::from_pairs(pairs.collect::<Result<Vec<_>, _>>()?);
        let value = f64::from_bits(reader.u64()?);
        let timestamp = match reader.byte()? {
            0 => None,
            1 => Some(Timestamp(reader.signed()?)),
            _ => return Err(Damaged("an exemplar's time is neither there nor missing")),
        };
        out.push(Exemplar { labels, value, timestamp });
    }
    Ok(out)
}
