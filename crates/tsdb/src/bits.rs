//! Numbers out of a stream of bits, highest first.

use crate::bytes::{Short, unzigzag, uvarint};

/// A place in a stream of bits.
#[derive(Debug)]
pub(crate) struct Bits<'b> {
    bytes: &'b [u8],
    /// Bits read so far.
    at: usize,
}

/// A float that is written as the difference of its bits from the one before, with the window of bits that differed last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Xor {
    pub(crate) value: f64,
    leading: u32,
    trailing: u32,
}

impl Xor {
    pub(crate) fn new(value: f64) -> Self {
        Xor { value, leading: 0, trailing: 0 }
    }
}

impl<'b> Bits<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Bits { bytes, at: 0 }
    }

    pub(crate) fn left(&self) -> usize {
        8 * self.bytes.len() - self.at
    }

    pub(crate) fn bit(&mut self) -> Result<bool, Short> {
        let byte = self.bytes.get(self.at / 8).ok_or(Short)?;
        let bit = byte >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Ok(bit)
    }

    /// At most 64 bits as a number.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u64, Short> {
        if self.left() < count as usize {
            return Err(Short);
        }
        let mut number = 0_u64;
        let mut wanted = count as usize;
        while wanted > 0 {
            let available = 8 - self.at % 8;
            let taken = available.min(wanted);
            let byte = u64::from(self.bytes[self.at / 8]);
            let part = byte >> (available - taken) & ((1 << taken) - 1);
            number = number << taken | part;
            self.at += taken;
            wanted -= taken;
        }
        Ok(number)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Short> {
        Ok(self.bits(8)? as u8)
    }

    pub(crate) fn float(&mut self) -> Result<f64, Short> {
        Ok(f64::from_bits(self.bits(64)?))
    }

    pub(crate) fn uvarint(&mut self) -> Result<u64, Short> {
        uvarint(|| self.byte())
    }

    pub(crate) fn varint(&mut self) -> Result<i64, Short> {
        Ok(unzigzag(self.uvarint()?))
    }

    /// The number of ones before a zero, or before the `most`th.
    fn ones(&mut self, most: usize) -> Result<usize, Short> {
        for count in 0..most {
            if !self.bit()? {
                return Ok(count);
            }
        }
        Ok(most)
    }

    /// A signed number of so many bits, of which the greatest positive one is 2^(count-1).
    fn signed(&mut self, count: u32) -> Result<i64, Short> {
        let bits = self.bits(count)?;
        if count < 64 && bits > 1 << (count - 1) {
            return Ok(bits as i64 - (1 << count));
        }
        Ok(bits as i64)
    }

    /// The difference of differences of times of float chunks.
    pub(crate) fn time_step(&mut self) -> Result<i64, Short> {
        match [0, 14, 17, 20, 64][self.ones(4)?] {
            0 => Ok(0),
            count => self.signed(count),
        }
    }

    fn bucketed(&mut self) -> Result<u32, Short> {
        Ok([0, 3, 6, 9, 12, 18, 25, 56, 64][self.ones(8)?])
    }

    /// `varbit_int`.
    pub(crate) fn varbit_int(&mut self) -> Result<i64, Short> {
        match self.bucketed()? {
            0 => Ok(0),
            count => self.signed(count),
        }
    }

    /// `varbit_uint`.
    pub(crate) fn varbit_uint(&mut self) -> Result<u64, Short> {
        let count = self.bucketed()?;
        self.bits(count)
    }

    /// Replaces a float by the one after it.
    pub(crate) fn xor(&mut self, last: &mut Xor) -> Result<(), Short> {
        if !self.bit()? {
            return Ok(());
        }
        if self.bit()? {
            let leading = self.bits(5)? as u32;
            let meaningful = match self.bits(6)? as u32 {
                0 => 64,
                count => count,
            };
            last.leading = leading;
            last.trailing = 64_u32.checked_sub(leading + meaningful).ok_or(Short)?;
        }
        let bits = self.bits(64 - last.leading - last.trailing)?;
        last.value = f64::from_bits(last.value.to_bits() ^ bits << last.trailing);
        Ok(())
    }
}
