//! The checksums of a block, in front of its footer, where other readers of Parquet see nothing.
//!
//! ```text
//! pages | page index | checks | footer | length of footer u32 | "PAR1"
//! checks = crc32 of each page u32* | end of pages u64 | crc32 of page index u32 | crc32 of footer u32
//!          | crc32 of all this u32 | its length u32 | "AFCK"
//! ```
//!
//! The page checksums stand in the order of the column chunks, that of a dictionary before those of its data pages, and cover
//! the page's header.

use crate::bytes::{Damaged, Reader};

const MAGIC: &[u8; 4] = b"AFCK";
/// Bytes of the fixed part behind the page checksums.
pub(super) const FIXED: usize = 28;
/// "PAR1" and the footer's length.
pub(super) const TAIL: usize = 8;
const PARQUET: &[u8; 4] = b"PAR1";

/// The checks of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    /// A checksum for each page.
    pub(super) pages: Vec<u32>,
    /// Where the page index begins.
    pub(super) pages_end: u64,
    /// Checksum of the page index.
    pub(super) index: u32,
    /// Checksum of the footer and the tail behind it.
    pub(super) footer: u32,
}

impl Checks {
    fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        self.pages.iter().for_each(|crc| out.extend_from_slice(&crc.to_le_bytes()));
        out.extend_from_slice(&self.pages_end.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.footer.to_le_bytes());
        let crc = crc32fast::hash(&out[begin..]);
        out.extend_from_slice(&crc.to_le_bytes());
        let length = (out.len() - begin + TAIL) as u32;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(MAGIC);
    }

    /// Length of the checks, told from their last [`FIXED`] bytes.
    pub(super) fn length(fixed: &[u8]) -> Result<usize, Damaged> {
        let (rest, magic) = fixed.split_last_chunk::<4>().ok_or(Damaged("it is too short"))?;
        let (_, length) = rest.split_last_chunk::<4>().ok_or(Damaged("it is too short"))?;
        let length = u32::from_le_bytes(*length) as usize;
        if magic != MAGIC || length < FIXED || !(length - FIXED).is_multiple_of(4) {
            return Err(Damaged("it has no checksums"));
        }
        Ok(length)
    }

    /// Reads checks of the right length.
    pub(super) fn decode(bytes: &[u8]) -> Result<Checks, Damaged> {
        let pages = bytes.len().checked_sub(FIXED).ok_or(Damaged("it is too short"))? / 4;
        let mut reader = Reader(bytes);
        let pages = (0..pages).map(|_| reader.u32()).collect::<Result<Vec<_>, _>>()?;
        let checks = Checks { pages, pages_end: reader.u64()?, index: reader.u32()?, footer: reader.u32()? };
        if crc32fast::hash(&bytes[..bytes.len() - 12]) != reader.u32()? {
            return Err(Damaged("its checksums are damaged"));
        }
        Ok(checks)
    }
}

/// Puts the checks into the end of a file: `end` holds everything behind the pages.
pub(super) fn insert(pages: Vec<u32>, pages_end: u64, end: &[u8]) -> Result<Vec<u8>, Damaged> {
    let footer_begin = footer_begin(end)?;
    let (index, footer) = end.split_at(footer_begin);
    let checks = Checks { pages, pages_end, index: crc32fast::hash(index), footer: crc32fast::hash(footer) };
    let mut out = index.to_vec();
    checks.encode(&mut out);
    out.extend_from_slice(footer);
    Ok(out)
}

/// Length of the footer, told from the last [`TAIL`] bytes of a file.
pub(super) fn footer_len(tail: &[u8; TAIL]) -> Result<usize, Damaged> {
    let (length, magic) = tail.split_at(4);
    if magic != PARQUET {
        return Err(Damaged("it has no footer"));
    }
    Ok(u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize)
}

fn footer_begin(end: &[u8]) -> Result<usize, Damaged> {
    let tail = end.last_chunk::<TAIL>().ok_or(Damaged("it is too short"))?;
    end.len().checked_sub(TAIL + footer_len(tail)?).ok_or(Damaged("its footer is too long"))
}
