//! Protocol buffers as bytes: a reader that borrows everything and allocates nothing.
//!
//! A message is walked field by field. Unknown fields are passed over, as the format demands; whatever runs past the end
//! of its message is an error.

use thiserror::Error;

/// Why bytes are no protocol buffer message of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WireError {
    /// A field is longer than its message.
    #[error("a field runs past the end of its message")]
    Truncated,
    /// A varint has more than ten bytes.
    #[error("a varint has more than 10 bytes")]
    LongVarint,
    /// Field number 0.
    #[error("a field has the number 0")]
    FieldZero,
    /// Groups, which proto3 does not have, or a wire type that never existed.
    #[error("a field has the wire type {0}, which proto3 does not have")]
    WireType(u8),
    /// A known field in another encoding.
    #[error("field {0} is not encoded as its type demands")]
    FieldType(u32),
    /// A message of the protocol's other version.
    #[error("this is a message of remote write {0}, which is not what its content type says")]
    OtherVersion(&'static str),
}

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: text, bytes, messages and packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// What is left of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Reader { rest: message }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next varint.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest.split_first() {
            Some((first, rest)) if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_varint(),
        }
    }

    #[inline]
    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (at, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::LongVarint })
    }

    /// The next `length` bytes.
    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Bytes that stand behind their length.
    #[inline]
    pub(crate) fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        self.take(usize::try_from(length).map_err(|_| WireError::Truncated)?)
    }

    /// Eight bytes as they stand in packed `double`s.
    #[inline]
    pub(crate) fn double(&mut self) -> Result<f64, WireError> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    /// The next field, `None` at the end.
    #[inline]
    pub(crate) fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        // Field numbers have 29 bits; what lies beyond is cut off as in the reference implementations.
        let number = (tag >> 3) as u32;
        if number == 0 {
            return Err(WireError::FieldZero);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.delimited()?),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(WireError::WireType(other as u8)),
        };
        Ok(Some((number, value)))
    }

    /// Passes over the fields of number 1 that stand first; answers their bytes.
    #[inline]
    pub(crate) fn leading_first_fields(&mut self) -> Result<&'a [u8], WireError> {
        const FIRST_DELIMITED: u8 = 1 << 3 | 2;
        let all = self.rest;
        while let Some((&FIRST_DELIMITED, rest)) = self.rest.split_first() {
            self.rest = rest;
            self.delimited()?;
        }
        Ok(&all[..all.len() - self.rest.len()])
    }
}

/// Zigzag-coded signed numbers (`sint32`, `sint64`).
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Visits the numbers of a repeated field, packed or one by one, that are varints.
pub(crate) fn each_varint(number: u32, value: Value<'_>, mut visit: impl FnMut(u64)) -> Result<(), WireError> {
    match value {
        Value::Varint(single) => visit(single),
        Value::Bytes(packed) => {
            let mut reader = Reader::new(packed);
            while !reader.is_empty() {
                visit(reader.varint()?);
            }
        }
        _ => return Err(WireError::FieldType(number)),
    }
    Ok(())
}

/// Visits the numbers of a repeated field, packed or one by one, that are doubles.
pub(crate) fn each_double(number: u32, value: Value<'_>, mut visit: impl FnMut(f64)) -> Result<(), WireError> {
    match value {
        Value::Fixed64(single) => visit(f64::from_bits(single)),
        Value::Bytes(packed) => {
            let mut reader = Reader::new(packed);
            while !reader.is_empty() {
                visit(reader.double()?);
            }
        }
        _ => return Err(WireError::FieldType(number)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put_varint(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    proptest! {
        #[test]
        fn varints_come_back(value: u64, shift in 0..64) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(Reader::new(&bytes).varint(), Ok(value));
            for cut in 0..bytes.len() {
                prop_assert_eq!(Reader::new(&bytes[..cut]).varint(), Err(WireError::Truncated));
            }
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            let mut left = bytes.len();
            while let Ok(Some(_)) = reader.field() {
                prop_assert!(reader.rest().len() < left);
                left = reader.rest().len();
            }
        }

        #[test]
        fn zigzag(value: i64) {
            let coded = (value << 1 ^ value >> 63) as u64;
            prop_assert_eq!(unzigzag(coded), value);
        }
    }

    #[test]
    fn errors_are_told_apart() {
        let first = |bytes: &[u8]| Reader::new(bytes).field().unwrap_err();
        assert_eq!(first(&[0xff; 11]), WireError::LongVarint);
        assert_eq!(first(&[0x0a, 5, 1]), WireError::Truncated);
        assert_eq!(first(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), WireError::Truncated);
        assert_eq!(first(&[0x09, 1, 2, 3]), WireError::Truncated);
        assert_eq!(first(&[0x02, 0]), WireError::FieldZero);
        assert_eq!(first(&[0x0b]), WireError::WireType(3));
        assert_eq!(Reader::new(&[]).field(), Ok(None));
    }

    #[test]
    fn packed_and_single_numbers_are_one() {
        let mut seen = Vec::new();
        each_varint(1, Value::Varint(7), |v| seen.push(v)).unwrap();
        each_varint(1, Value::Bytes(&[1, 0x80, 1]), |v| seen.push(v)).unwrap();
        assert_eq!(seen, [7, 1, 128]);
        assert_eq!(each_varint(9, Value::Fixed32(0), |_| {}), Err(WireError::FieldType(9)));
        assert_eq!(each_double(9, Value::Bytes(&[0; 9]), |_| {}), Err(WireError::Truncated));
    }
}
