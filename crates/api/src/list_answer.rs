//! Long lists as JSON, written entry by entry while the client reads: each entry is dropped once it is written, and the memory
//! that the list is accounted with is given back with the last.

use std::sync::Arc;

use bytes::Bytes;
use model::Reservation;

use crate::answer::{ExactEnd, close_envelope, open_envelope};

/// A chunk is closed when it has grown to so many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// A list on its way to the client, as an iterator over chunks of JSON.
pub(crate) struct ListAnswer<T> {
    items: std::vec::IntoIter<T>,
    push: fn(&mut Vec<u8>, &T),
    warnings: Vec<String>,
    has_begun: bool,
    is_done: bool,
    _reservation: Arc<Reservation>,
}

impl<T> ListAnswer<T> {
    /// `push` writes an entry; the list was accounted with the reservation.
    pub(crate) fn new(
        items: Vec<T>,
        push: fn(&mut Vec<u8>, &T),
        warnings: Vec<String>,
        reservation: Arc<Reservation>,
    ) -> Self {
        let items = items.into_iter();
        ListAnswer { items, push, warnings, has_begun: false, is_done: false, _reservation: reservation }
    }
}

impl<T> Iterator for ListAnswer<T> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_done {
            return None;
        }
        let mut out = Vec::with_capacity(if self.items.len() > 256 { CHUNK_BYTES + 4096 } else { 4096 });
        if !self.has_begun {
            open_envelope(&mut out);
            out.push(b'[');
        }
        while out.len() < CHUNK_BYTES {
            let Some(item) = self.items.next() else {
                out.push(b']');
                close_envelope(&mut out, &self.warnings, &[]);
                self.is_done = true;
                break;
            };
            if self.has_begun {
                out.push(b',');
            }
            self.has_begun = true;
            (self.push)(&mut out, &item);
        }
        Some(Bytes::from(out))
    }
}

impl<T> ExactEnd for ListAnswer<T> {
    fn is_done(&self) -> bool {
        self.is_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::push_integer;
    use model::MemoryPool;

    #[test]
    fn lists_of_any_length_and_their_memory() {
        let pool = MemoryPool::new(100, 100, None);
        for length in [0_u64, 1, 2, 100_000] {
            let reservation = pool.open();
            reservation.take(10).unwrap();
            let items: Vec<u64> = (0..length).collect();
            let answer = ListAnswer::new(items, |out, n| push_integer(out, *n), vec!["w".to_owned()], reservation);
            let chunks: Vec<Bytes> = answer.inspect(|_| assert_eq!(pool.used(), 10)).collect();
            assert_eq!(chunks.len() > 1, length > 50_000);
            let json: serde_json::Value = serde_json::from_slice(&chunks.concat()).unwrap();
            assert_eq!(json["data"].as_array().unwrap().len() as u64, length);
            assert_eq!(json["warnings"], serde_json::json!(["w"]));
            assert_eq!(pool.used(), 0);
        }
    }
}
