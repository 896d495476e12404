//! The bytes of a segment: a header, then records framed by marker, length and CRC.
//!
//! ```text
//! segment  "AFFWAL\r\n"  version u32  number u48  back u16  crc32 u32   (little endian, 24 bytes)
//! record   marker u32  length u32  crc32 u32  payload                  (crc over length and payload)
//! ```
//!
//! `back` says how far below its own number that of the segment before it is, so that a segment that is gone is noticed:
//! numbers alone may skip some. 0 where there was none, and in segments from before this was written down.
//!
//! The marker makes it cheap to find the next good record after a damaged one. It is not valid UTF-8, so label text cannot
//! contain it.

/// Version written into new segments.
pub(super) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"AFFWAL\r\n";
/// Bytes of a segment header.
pub(super) const HEADER: usize = 24;
const MARKER: [u8; 4] = [0xf5, b'W', 0xc0, 0xff];
/// Bytes in front of a record's payload.
pub const FRAME: usize = 12;

/// A record under construction: bytes are added at its end, then it is sealed.
#[derive(Clone, Debug)]
pub struct Record(Vec<u8>);

impl Default for Record {
    fn default() -> Self {
        Record::new()
    }
}

impl Record {
    /// An empty record.
    pub fn new() -> Self {
        Record(vec![0; FRAME])
    }

    /// Where the payload is written.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Empties the record and keeps its memory.
    pub fn clear(&mut self) {
        self.0.clear();
        self.0.resize(FRAME, 0);
    }

    /// True where nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.len() == FRAME
    }

    /// Fills in the frame and gives all bytes as they stand in a segment.
    pub fn seal(&mut self) -> &[u8] {
        let length = (self.0.len() - FRAME) as u32;
        self.0[..4].copy_from_slice(&MARKER);
        self.0[4..8].copy_from_slice(&length.to_le_bytes());
        let crc = record_crc(length, &self.0[FRAME..]);
        self.0[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.0
    }
}

fn record_crc(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// The header of segment `number`, which comes after segment `before`.
pub(super) fn segment_header(number: u64, before: Option<u64>) -> [u8; HEADER] {
    let back = before.and_then(|before| u16::try_from(number.checked_sub(before)?).ok()).unwrap_or(0);
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..18].copy_from_slice(&number.to_le_bytes()[..6]);
    header[18..20].copy_from_slice(&back.to_le_bytes());
    let crc = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderState {
    /// A segment that we can read, and how far back the one before it is; 0 where it does not say.
    Good(u16),
    /// Written by a version we do not know.
    Foreign(u32),
    /// Shorter than a header.
    Short,
    /// Damaged; the records behind it may still be good.
    Damaged,
}

pub(super) fn read_header(bytes: &[u8]) -> HeaderState {
    if bytes.len() < HEADER {
        return HeaderState::Short;
    }
    let crc = u32_at(bytes, 20);
    if crc != crc32fast::hash(&bytes[..20]) || &bytes[..8] != MAGIC {
        return HeaderState::Damaged;
    }
    match u32_at(bytes, 8) {
        VERSION => HeaderState::Good(u16::from_le_bytes([bytes[18], bytes[19]])),
        other => HeaderState::Foreign(other),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has four bytes"))
}

/// What stands at some place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The payload of a good record.
    Record(&'a [u8]),
    /// Bytes that are no record, with good records behind them.
    Damage {
        /// How many.
        bytes: usize,
    },
    /// Bytes at the end that are no record.
    Tail {
        /// How many.
        bytes: usize,
        /// The bytes are the beginning of a record whose rest is missing.
        cut: bool,
    },
}

/// Walks over framed records; never fails, whatever the bytes.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Pieces<'a> {
    /// Walks over bytes that begin with a record.
    pub fn new(bytes: &'a [u8]) -> Self {
        Pieces { bytes, at: 0 }
    }

    fn record_at(&self, at: usize) -> Option<&'a [u8]> {
        let head = self.bytes.get(at..at.checked_add(FRAME)?)?;
        if head[..4] != MARKER {
            return None;
        }
        let length = u32_at(head, 4);
        let start = at + FRAME;
        let payload = self.bytes.get(start..start.checked_add(length as usize)?)?;
        (record_crc(length, payload) == u32_at(head, 8)).then_some(payload)
    }

    fn is_cut(&self, at: usize) -> bool {
        let rest = &self.bytes[at..];
        if rest.len() < FRAME {
            return rest.iter().zip(MARKER).all(|(a, b)| *a == b);
        }
        rest[..4] == MARKER && u32_at(rest, 4) as usize > rest.len() - FRAME
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        if let Some(payload) = self.record_at(self.at) {
            self.at += FRAME + payload.len();
            return Some(Piece::Record(payload));
        }
        let start = self.at;
        let candidates = memchr::memmem::find_iter(&self.bytes[start + 1..], &MARKER);
        let next_good = candidates.map(|found| start + 1 + found).find(|at| self.record_at(*at).is_some());
        self.at = next_good.unwrap_or(self.bytes.len());
        Some(match next_good {
            Some(at) => Piece::Damage { bytes: at - start },
            None => Piece::Tail { bytes: self.bytes.len() - start, cut: self.is_cut(start) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for payload in payloads {
            let mut record = Record::new();
            record.payload().extend_from_slice(payload);
            out.extend_from_slice(record.seal());
        }
        out
    }

    #[test]
    fn a_damaged_record_hides_no_other() {
        let good = framed(&[b"one", b"two", b"three"]);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            let found: Vec<_> = Pieces::new(&bad).filter(|p| matches!(p, Piece::Record(_))).collect();
            assert_eq!(found.len(), 2, "byte {at}");
        }
    }

    #[test]
    fn every_cut_is_seen_as_a_tail() {
        let good = framed(&[b"one", b"two"]);
        for length in FRAME + 4..good.len() {
            let pieces: Vec<_> = Pieces::new(&good[..length]).collect();
            assert_eq!(pieces[1], Piece::Tail { bytes: length - FRAME - 3, cut: true }, "length {length}");
        }
    }

    #[test]
    fn a_quadratic_input_does_not_hang() {
        // Markers with huge lengths that each would be checked to the end of the file are refused by their length first.
        let mut bytes = Vec::new();
        for _ in 0..20_000 {
            bytes.extend_from_slice(&MARKER);
            bytes.extend_from_slice(&u32::MAX.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        assert!(matches!(Pieces::new(&bytes).next(), Some(Piece::Tail { .. })));
    }
}
