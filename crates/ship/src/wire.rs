//! Loki's push message (`logproto.PushRequest`), written and read by hand: the shipper writes each line once, straight into the
//! bytes that are sent.
//!
//! `PushRequest { streams = 1 } Stream { labels = 1, entries = 2 } Entry { timestamp = 1 { seconds = 1, nanos = 2 }, line = 2,
//! structuredMetadata = 3 { name = 1, value = 2 } }`.

use thiserror::Error;

const NANOS: i64 = 1_000_000_000;
/// Entries nest three deep; nothing else is read.
const MOST_BYTES: usize = 64 << 20;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// It ends in the middle of a field.
    #[error("the message is cut off")]
    Cut,
    /// A field has another type than it should.
    #[error("field {0} has the wrong type")]
    Type(u64),
    /// Names and label sets must be UTF-8.
    #[error("a label set or the name or value of metadata is not UTF-8")]
    Text,
    /// The packed message is damaged or unpacks to more than 64 MiB.
    #[error("the message cannot be unpacked: {0}")]
    Packing(&'static str),
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

fn bytes_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends one entry of a stream.
pub(crate) fn put_entry<'m>(
    out: &mut Vec<u8>,
    timestamp: i64,
    line: &[u8],
    metadata: impl Iterator<Item = (&'m str, &'m str)> + Clone,
) {
    let seconds = timestamp.div_euclid(NANOS) as u64;
    let nanos = timestamp.rem_euclid(NANOS) as u64;
    let time_len =
        if seconds == 0 { 0 } else { 1 + varint_len(seconds) } + if nanos == 0 { 0 } else { 1 + varint_len(nanos) };
    let pair_len = |(name, value): (&str, &str)| bytes_len(name.len()) + bytes_len(value.len());
    let metadata_len: usize = metadata.clone().map(|pair| bytes_len(pair_len(pair))).sum();
    out.push(0x12);
    varint(out, (bytes_len(time_len) + bytes_len(line.len()) + metadata_len) as u64);
    out.push(0x0a);
    varint(out, time_len as u64);
    if seconds != 0 {
        out.push(0x08);
        varint(out, seconds);
    }
    if nanos != 0 {
        out.push(0x10);
        varint(out, nanos);
    }
    put_bytes(out, 0x12, line);
    for (name, value) in metadata {
        out.push(0x1a);
        varint(out, pair_len((name, value)) as u64);
        put_bytes(out, 0x0a, name.as_bytes());
        put_bytes(out, 0x12, value.as_bytes());
    }
}

/// Appends a stream whose entries are written already.
pub(crate) fn put_stream(out: &mut Vec<u8>, labels: &str, entries: &[u8]) {
    out.push(0x0a);
    varint(out, (bytes_len(labels.len()) + entries.len()) as u64);
    put_bytes(out, 0x0a, labels.as_bytes());
    out.extend_from_slice(entries);
}

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (i, byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * i).min(63);
            if byte & 0x80 == 0 {
                self.0 = &self.0[i + 1..];
                return Ok(value);
            }
        }
        Err(WireError::Cut)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(WireError::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, WireError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Cut)?;
                Field::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Field::Other)?,
            _ => return Err(WireError::Type(tag >> 3)),
        };
        Ok(Some((tag >> 3, field)))
    }
}

fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Text)
}

/// An entry that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireEntry<'a> {
    /// Nanoseconds since the Unix epoch.
    pub timestamp: i64,
    /// The line.
    pub line: &'a [u8],
    /// Structured metadata.
    pub metadata: Vec<(&'a str, &'a str)>,
}

/// Reads a message: `stream` is told the labels of each stream, then `entry` each of its entries.
pub fn read_push<'a>(message: &'a [u8], mut visit: impl FnMut(&'a str, WireEntry<'a>)) -> Result<(), WireError> {
    let mut request = Fields(message);
    while let Some((number, field)) = request.next()? {
        let (1, Field::Bytes(stream)) = (number, field) else { continue };
        // Labels come first from every client, but need not.
        let mut labels = "";
        let mut fields = Fields(stream);
        while let Some((number, field)) = fields.next()? {
            if let (1, Field::Bytes(bytes)) = (number, field) {
                labels = text(bytes)?;
            }
        }
        let mut fields = Fields(stream);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (2, Field::Bytes(bytes)) => visit(labels, read_entry(bytes)?),
                (1 | 2, Field::Number(_)) => return Err(WireError::Type(number)),
                _ => {}
            }
        }
    }
    Ok(())
}

fn read_entry(message: &[u8]) -> Result<WireEntry<'_>, WireError> {
    let mut entry = WireEntry::default();
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => entry.timestamp = read_time(bytes)?,
            (2, Field::Bytes(bytes)) => entry.line = bytes,
            (3, Field::Bytes(bytes)) => entry.metadata.push(read_pair(bytes)?),
            (1..=3, Field::Number(_)) => return Err(WireError::Type(number)),
            _ => {}
        }
    }
    Ok(entry)
}

fn read_time(message: &[u8]) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Number(value)) => seconds = value as i64,
            (2, Field::Number(value)) => nanos = value as i64,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(NANOS).saturating_add(nanos))
}

fn read_pair(message: &[u8]) -> Result<(&str, &str), WireError> {
    let (mut name, mut value) = ("", "");
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => name = text(bytes)?,
            (2, Field::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// Packs a message with snappy, as it is sent.
pub fn pack(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).expect("a batch is far below snappy's 4 GiB")
}

/// Unpacks a message.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, WireError> {
    match snap::raw::decompress_len(packed) {
        Ok(length) if length <= MOST_BYTES => {}
        Ok(_) => return Err(WireError::Packing("it is too large")),
        Err(_) => return Err(WireError::Packing("it is damaged")),
    }
    snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| WireError::Packing("it is damaged"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Written = (i64, Vec<u8>, Vec<(String, String)>);

    fn write(entries: &[Written]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (time, line, metadata) in entries {
            put_entry(&mut stream, *time, line, metadata.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        }
        let mut out = Vec::new();
        put_stream(&mut out, "{a=\"b\"}", &stream);
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in proptest::collection::vec(
            (any::<i64>(), proptest::collection::vec(any::<u8>(), 0..200), proptest::collection::vec((".{0,9}", ".{0,150}"), 0..3)), 0..20)
        ) {
            let message = write(&entries);
            let mut found = Vec::new();
            read_push(&unpack(&pack(&message)).unwrap(), |labels, entry| {
                assert_eq!(labels, "{a=\"b\"}");
                let metadata = entry.metadata.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
                found.push((entry.timestamp, entry.line.to_vec(), metadata));
            }).unwrap();
            prop_assert_eq!(found, entries);
        }
    }

    #[test]
    fn mutated_messages_are_read_or_refused() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let message =
            write(&[(1, b"one".to_vec(), vec![("k".into(), "v".into())]), (i64::MAX, vec![0xff; 300], vec![])]);
        let packed = pack(&message);
        let mut rng = StdRng::seed_from_u64(5);
        for _ in 0..5000 {
            for base in [&message, &packed] {
                let mut bytes = base.clone();
                for _ in 0..rng.random_range(1..5) {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] = rng.random();
                }
                bytes.truncate(rng.random_range(0..=bytes.len()));
                let _ = read_push(&bytes, |_, _| {});
                let _ = unpack(&bytes);
            }
        }
    }
}
