//! Numbers and strings out of a slice of bytes, as Go's `encoding/binary` writes them.

/// The bytes end too early, or a number is too long.
#[derive(Debug)]
pub(crate) struct Short;

/// A place in a slice.
#[derive(Clone, Debug)]
pub(crate) struct Bytes<'b> {
    rest: &'b [u8],
}

impl<'b> Bytes<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Bytes { rest: bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'b [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn be32(&mut self) -> Result<u32, Short> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().map_err(|_| Short)?))
    }

    pub(crate) fn uvarint(&mut self) -> Result<u64, Short> {
        uvarint(|| self.u8())
    }

    pub(crate) fn varint(&mut self) -> Result<i64, Short> {
        Ok(unzigzag(self.uvarint()?))
    }
}

/// A number in groups of seven bits, the lowest first.
pub(crate) fn uvarint(mut next: impl FnMut() -> Result<u8, Short>) -> Result<u64, Short> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = next()?;
        if shift == 63 && byte > 1 {
            return Err(Short);
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Short)
}

/// The signed number behind 0, -1, 1, -2, 2, ...
pub(crate) fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}
