//! What samples add to the numbers of a head.

use std::ops::{AddAssign, Sub};

/// What the samples of a series add to the numbers of its head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    /// Bytes beyond the struct itself.
    pub(crate) bytes: i64,
    pub(crate) chunks: i64,
    /// 1 where the series takes samples.
    pub(crate) active: i64,
}

impl Sub for Weight {
    type Output = Weight;

    #[inline]
    fn sub(self, other: Weight) -> Weight {
        Weight {
            bytes: self.bytes - other.bytes,
            chunks: self.chunks - other.chunks,
            active: self.active - other.active,
        }
    }
}

impl AddAssign for Weight {
    #[inline]
    fn add_assign(&mut self, other: Weight) {
        self.bytes += other.bytes;
        self.chunks += other.chunks;
        self.active += other.active;
    }
}
