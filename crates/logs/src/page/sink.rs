//! Where texts of a page are put together. Most are short, and a copy of a fixed number of bytes costs a fraction of a copy of
//! just as many as there are: so texts are kept with some bytes to spare behind them, and written to where there is room.

/// Bytes to spare.
pub(super) const SPARE: usize = 32;

/// Takes texts one behind the other.
pub(super) trait Sink {
    /// Appends `length` bytes of `text` from `at` on. Faster where [`SPARE`] bytes follow `at`.
    fn put(&mut self, text: &[u8], at: usize, length: usize);
}

impl Sink for Vec<u8> {
    fn put(&mut self, text: &[u8], at: usize, length: usize) {
        self.extend_from_slice(&text[at..at + length]);
    }
}

/// Room for a number of bytes that is known in advance.
pub(super) struct Room {
    bytes: Vec<u8>,
    at: usize,
    length: usize,
}

impl Room {
    pub(super) fn new(length: usize) -> Self {
        Room { bytes: vec![0; length + SPARE], at: 0, length }
    }

    /// Bytes that were put; more than the room has, where it was too small.
    pub(super) fn filled(&self) -> usize {
        self.at
    }

    /// The bytes, if there are as many as there is room for.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        self.bytes.truncate(self.length);
        (self.at == self.length).then_some(self.bytes)
    }
}

impl Sink for Room {
    #[inline]
    fn put(&mut self, text: &[u8], at: usize, length: usize) {
        let to = self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<SPARE>);
        let from = text.get(at..).and_then(<[u8]>::first_chunk::<SPARE>);
        match (to, from) {
            (Some(to), Some(from)) if length <= SPARE => *to = *from,
            _ => {
                if let Some(to) = self.bytes.get_mut(self.at..self.at.saturating_add(length)) {
                    to.copy_from_slice(&text[at..at + length]);
                }
            }
        }
        self.at = self.at.saturating_add(length);
    }
}

/// A text with [`SPARE`] bytes behind it.
pub(super) fn with_spare(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + SPARE);
    bytes.extend_from_slice(text);
    bytes.resize(text.len() + SPARE, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_stand_one_behind_the_other(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70), 0..9), off in -3_i64..3,
        ) {
            let all = texts.concat();
            let length = (all.len() as i64 + off).max(0) as usize;
            let mut room = Room::new(length);
            for text in &texts {
                room.put(&with_spare(text), 0, text.len());
            }
            prop_assert_eq!(room.filled(), all.len());
            prop_assert_eq!(room.finish(), (length == all.len()).then_some(all));
        }
    }
}
