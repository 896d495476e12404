//! Variable-length integers and a reader that never runs past its end; what stores write by hand is written with these.

use thiserror::Error;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("damaged data: {0}")]
pub struct Damaged(pub &'static str);

/// Appends a number, seven bits a byte.
pub fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Appends a signed number; small ones of either sign are short.
pub fn put_signed(out: &mut Vec<u8>, v: i64) {
    put_varint(out, zigzag(v));
}

/// Appends a text with its length in front.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Folds signed numbers into unsigned ones: 0, -1, 1, -2, ...
pub fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

/// Undoes [`zigzag`].
#[inline]
pub fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// Bytes that [`put_varint`] appends.
pub fn varint_len(v: u64) -> usize {
    (70 - (v | 1).leading_zeros() as usize) / 7
}

/// Reads from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// True at the end.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    /// So many bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Four bytes, little endian.
    pub fn u32(&mut self) -> Result<u32, Damaged> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes were taken")))
    }

    /// Eight bytes, little endian.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Damaged> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().expect("eight bytes were taken")))
    }

    /// Sixteen bytes, little endian.
    pub fn u128(&mut self) -> Result<u128, Damaged> {
        Ok(u128::from_le_bytes(self.take(16)?.try_into().expect("sixteen bytes were taken")))
    }

    /// What [`put_varint`] appended.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Damaged> {
        let Some(eight) = self.0.first_chunk::<8>() else { return self.long_varint() };
        let word = u64::from_le_bytes(*eight);
        if word & 0x80 == 0 {
            self.0 = &self.0[1..];
            return Ok(word & 0x7f);
        }
        let ends = !word & 0x8080_8080_8080_8080;
        if ends == 0 {
            return self.long_varint();
        }
        // The groups of seven bits are moved together by pairs, pairs of pairs and so on, instead of one by one.
        let length = ends.trailing_zeros() / 8 + 1;
        let sevens = word & (u64::MAX >> (64 - 8 * length)) & 0x7f7f_7f7f_7f7f_7f7f;
        let pairs = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
        let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
        self.0 = &self.0[length as usize..];
        Ok(fours & 0x0fff_ffff | fours >> 32 << 28)
    }

    /// Near the end of the bytes, or of more than eight bytes.
    fn long_varint(&mut self) -> Result<u64, Damaged> {
        let mut v = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            v |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(v);
            }
        }
        Err(Damaged("a number is too long"))
    }

    /// What [`put_signed`] appended.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, Damaged> {
        Ok(unzigzag(self.varint()?))
    }

    /// A count of things that take at least `least` bytes each, so that a damaged count cannot ask for much memory.
    pub fn count(&mut self, least: usize) -> Result<usize, Damaged> {
        let n = self.varint()?;
        if n > (self.0.len() / least) as u64 {
            return Err(Damaged("a count is larger than what follows"));
        }
        Ok(n as usize)
    }

    /// What [`put_text`] appended.
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        let n = self.count(1)?;
        std::str::from_utf8(self.take(n)?).map_err(|_| Damaged("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_are_read_wherever_they_stand(numbers in proptest::collection::vec((any::<u64>(), 0_u32..64), 1..20)) {
            let numbers: Vec<u64> = numbers.into_iter().map(|(number, shift)| number >> shift).collect();
            let mut bytes = Vec::new();
            numbers.iter().for_each(|number| put_varint(&mut bytes, *number));
            let mut reader = Reader(&bytes);
            for number in numbers {
                prop_assert_eq!(reader.varint(), Ok(number));
            }
            prop_assert!(reader.is_empty());
        }
    }
}
