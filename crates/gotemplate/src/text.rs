//! Go's strings are bytes that are mostly UTF-8: [`Text`] keeps them so, because `slice` and `%c` may cut a character.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A string of a template: shared, immutable bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<[u8]>);

impl Text {
    /// The text with every byte that is not UTF-8 replaced by U+FFFD, as Go's JSON writer does.
    pub fn lossy(&self) -> Cow<'_, str> {
        lossy(&self.0)
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.as_bytes().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text.into_bytes().into())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Text(bytes.into())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Text(bytes.into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.lossy(), f)
    }
}

/// Replaces every byte that is not part of a UTF-8 sequence by U+FFFD: one for each byte, where Rust's own conversion
/// writes one for each broken sequence.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(chars(bytes).map(|(_, c, _)| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// The first character and its width in bytes; `None` with width 1 for a byte that is not UTF-8. Width 0 at the end.
pub fn decode_char(bytes: &[u8]) -> (Option<char>, usize) {
    let Some(&first) = bytes.first() else { return (None, 0) };
    if first < 0x80 {
        return (Some(first as char), 1);
    }
    let width = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return (None, 1),
    };
    match bytes.get(..width).and_then(|sequence| std::str::from_utf8(sequence).ok()) {
        Some(text) => (text.chars().next(), width),
        None => (None, 1),
    }
}

/// Offset, character and width of everything in `bytes`.
pub fn chars(bytes: &[u8]) -> impl Iterator<Item = (usize, Option<char>, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (c, width) = decode_char(&bytes[at..]);
        if width == 0 {
            return None;
        }
        let item = (at, c, width);
        at += width;
        Some(item)
    })
}

/// Number of characters; a byte that is not UTF-8 counts as one.
pub fn count_chars(bytes: &[u8]) -> usize {
    chars(bytes).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_bytes_are_replaced_one_by_one() {
        assert_eq!(lossy(b"h\xc3"), "h\u{fffd}");
        assert_eq!(lossy(b"\xe2\x82x"), "\u{fffd}\u{fffd}x");
        assert_eq!(lossy("h\u{e9}".as_bytes()), "h\u{e9}");
        assert_eq!(count_chars(b"a\xff\xe2\x82\xac"), 3);
    }
}
