//! A stream of bits, most significant first, and the codes of variable length that Prometheus' chunks are made of
//! (`tsdb/chunkenc/bstream.go`, `varbit.go`, `xor.go`).

/// Bits behind the bytes of a header.
#[derive(Debug)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Unused bits of the last byte.
    free: u32,
}

/// Floats that are coded by what changed of their bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct XorValue {
    value: f64,
    /// Zeros around the bits that the window of the value before has room for.
    window: Option<(u32, u32)>,
}

impl XorValue {
    /// The first value, which is written elsewhere.
    pub(super) fn new(value: f64) -> Self {
        XorValue { value, window: None }
    }
}

impl BitWriter {
    /// Starts behind a header.
    pub(super) fn new(header: &[u8]) -> Self {
        BitWriter { bytes: header.to_vec(), free: 0 }
    }

    /// Header and bits; the last byte is filled with zeros.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The header, to be filled in at the end.
    pub(super) fn header(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Appends the lowest `count` bits, at most 64.
    pub(super) fn bits(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let now = left.min(self.free);
            let piece = (value >> (left - now)) as u8 & (0xff >> (8 - now));
            self.free -= now;
            left -= now;
            let last = self.bytes.len() - 1;
            self.bytes[last] |= piece << self.free;
        }
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.bits(u64::from(value), 8);
    }

    /// Go's `binary.PutUvarint`.
    pub(super) fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Go's `binary.PutVarint`.
    pub(super) fn varint(&mut self, value: i64) {
        self.uvarint((value << 1 ^ value >> 63) as u64);
    }

    /// Signed numbers, most of them small (`putVarbitInt`).
    pub(super) fn varbit_int(&mut self, value: i64) {
        let fits = |bits: u32| -((1 << (bits - 1)) - 1) <= value && value <= 1 << (bits - 1);
        self.varbit(value as u64, value == 0, fits);
    }

    /// Unsigned numbers, most of them small (`putVarbitUint`).
    pub(super) fn varbit_uint(&mut self, value: u64) {
        self.varbit(value, value == 0, |bits| value < 1 << bits);
    }

    fn varbit(&mut self, value: u64, is_zero: bool, fits: impl Fn(u32) -> bool) {
        const CODES: [(u64, u32, u32); 7] = [
            (0b10, 2, 3),
            (0b110, 3, 6),
            (0b1110, 4, 9),
            (0b11110, 5, 12),
            (0b11_1110, 6, 18),
            (0b111_1110, 7, 25),
            (0b1111_1110, 8, 56),
        ];
        if is_zero {
            return self.bits(0, 1);
        }
        let (prefix, prefix_bits, bits) =
            CODES.into_iter().find(|(_, _, bits)| fits(*bits)).unwrap_or((0b1111_1111, 8, 64));
        self.bits(prefix, prefix_bits);
        self.bits(value, bits);
    }

    /// What changed from the value before (`xorWrite`).
    pub(super) fn xor(&mut self, old: &mut XorValue, new: f64) {
        let delta = new.to_bits() ^ old.value.to_bits();
        old.value = new;
        if delta == 0 {
            return self.bits(0, 1);
        }
        self.bits(1, 1);
        // Five bits tell the leading zeros.
        let (leading, trailing) = (delta.leading_zeros().min(31), delta.trailing_zeros());
        match old.window {
            Some((before, behind)) if leading >= before && trailing >= behind => {
                self.bits(0, 1);
                self.bits(delta >> behind, 64 - before - behind);
            }
            _ => {
                old.window = Some((leading, trailing));
                let significant = 64 - leading - trailing;
                self.bits(1, 1);
                self.bits(u64::from(leading), 5);
                // 64 significant bits are written as 0.
                self.bits(u64::from(significant), 6);
                self.bits(delta >> trailing, significant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_in_order() {
        let mut out = BitWriter::new(&[7]);
        out.bits(0b1, 1);
        out.bits(0b01, 2);
        out.byte(0xff);
        out.bits(u64::MAX, 64);
        assert_eq!(out.header()[0], 7);
        let bytes = out.into_bytes();
        assert_eq!((bytes.len(), bytes[1], bytes[2]), (11, 0b1011_1111, 0xff));
        assert_eq!(bytes[10], 0b1110_0000);
    }

    #[test]
    fn codes_have_the_documented_lengths() {
        let length = |write: &dyn Fn(&mut BitWriter)| {
            let mut out = BitWriter::new(&[]);
            write(&mut out);
            8 * out.bytes.len() as u32 - out.free
        };
        for (value, bits) in [
            (0, 1),
            (4, 5),
            (-3, 5),
            (5, 9),
            (-4, 9),
            (32, 9),
            (-31, 9),
            (256, 13),
            (2048, 17),
            (2049, 24),
            (i64::MIN, 72),
        ] {
            assert_eq!(length(&|out| out.varbit_int(value)), bits, "{value}");
        }
        for (value, bits) in [(0, 1), (7, 5), (8, 9), (63, 9), (4095, 17), (262_143, 24), (1 << 25, 64), (1 << 56, 72)]
        {
            assert_eq!(length(&|out| out.varbit_uint(value)), bits, "{value}");
        }
    }
}
