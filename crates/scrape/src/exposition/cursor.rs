//! What the two text parsers share: a position in a body, names and quoted strings, and errors that say what was expected.

use std::borrow::Cow;

use super::ParseError;

/// A half-open range of bytes of the body.
pub(super) type Span = (usize, usize);

/// A body and how far it is read.
pub(super) struct Cursor<'b> {
    pub(super) body: &'b [u8],
    pub(super) pos: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Cursor { body, pos: 0 }
    }

    /// The next byte, or `None` at the end.
    pub(super) fn peek(&self) -> Option<u8> {
        self.body.get(self.pos).copied()
    }

    /// Consumes the byte where it comes next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    /// Consumes the text where it comes next.
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let found = self.body[self.pos..].starts_with(text.as_bytes());
        if found {
            self.pos += text.len();
        }
        found
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.pos += 1;
        }
    }

    /// Consumes `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    pub(super) fn metric_name(&mut self) -> Option<Span> {
        self.identifier(METRIC_CHAR)
    }

    /// Consumes `[a-zA-Z_][a-zA-Z0-9_]*`.
    pub(super) fn label_name(&mut self) -> Option<Span> {
        self.identifier(LABEL_CHAR)
    }

    fn identifier(&mut self, class: u8) -> Option<Span> {
        let start = self.pos;
        let first = self.peek()?;
        if CHAR_CLASS[first as usize] & class == 0 || first.is_ascii_digit() {
            return None;
        }
        let rest = &self.body[start..];
        let length = rest.iter().position(|&b| CHAR_CLASS[b as usize] & class == 0).unwrap_or(rest.len());
        self.pos += length;
        Some((start, self.pos))
    }

    /// Consumes a quoted string and gives the range between the quotes. A backslash takes the next byte with it, unless
    /// that is a newline. `None`, with nothing consumed, where there is no string or it does not end.
    pub(super) fn quoted(&mut self, newline_allowed: bool) -> Option<Span> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.pos + 1;
        let mut at = start;
        loop {
            at += memchr::memchr2(b'"', b'\\', &self.body[at..])?;
            if self.body[at] == b'"' {
                break;
            }
            if self.body.get(at + 1).is_none_or(|&b| b == b'\n') {
                return None;
            }
            at += 2;
        }
        if !newline_allowed && memchr::memchr(b'\n', &self.body[start..at]).is_some() {
            return None;
        }
        self.pos = at + 1;
        Some((start, at))
    }

    /// Consumes bytes up to one that `stop` names, which stays.
    pub(super) fn until(&mut self, mut stop: impl FnMut(u8) -> bool) -> Span {
        let start = self.pos;
        let rest = &self.body[start..];
        self.pos += rest.iter().position(|&b| stop(b)).unwrap_or(rest.len());
        (start, self.pos)
    }

    /// Consumes up to the next newline, which stays.
    pub(super) fn rest_of_line(&mut self) -> Span {
        let start = self.pos;
        let rest = &self.body[start..];
        self.pos += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        (start, self.pos)
    }

    pub(super) fn bytes(&self, span: Span) -> &'b [u8] {
        &self.body[span.0..span.1]
    }

    /// An error at the present position: what was expected, what stands there, and the entry that began at `start`.
    pub(super) fn expected(&self, what: &str, start: usize) -> ParseError {
        let found = match self.peek() {
            None => "the end of the body".to_owned(),
            Some(b'\n') => "the end of the line".to_owned(),
            Some(_) => format!("{:?}", self.word_here()),
        };
        self.error(format!("{what}, got {found} while parsing: {:?}", self.line_of(start)))
    }

    /// An error at the present position.
    pub(super) fn error(&self, message: String) -> ParseError {
        let before = &self.body[..self.pos.min(self.body.len())];
        ParseError::at_line(memchr::memchr_iter(b'\n', before).count() + 1, message)
    }

    /// The line that holds `start`, shortened where it is long.
    pub(super) fn line_of(&self, start: usize) -> String {
        let rest = &self.body[start.min(self.body.len())..];
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        shorten(&rest[..end], 120)
    }

    fn word_here(&self) -> String {
        let rest = &self.body[self.pos..];
        let end = rest.iter().position(|b| matches!(b, b' ' | b'\t' | b'\n')).unwrap_or(rest.len());
        shorten(&rest[..end.max(1)], 40)
    }
}

fn shorten(bytes: &[u8], most: usize) -> String {
    if bytes.len() <= most {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    format!("{}...", String::from_utf8_lossy(&bytes[..most]))
}

const LABEL_CHAR: u8 = 1;
const METRIC_CHAR: u8 = 2;

/// Which classes of identifier each byte may be part of.
static CHAR_CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            table[b] = LABEL_CHAR | METRIC_CHAR;
        } else if byte == b':' {
            table[b] = METRIC_CHAR;
        }
        b += 1;
    }
    table
};

/// Text of metadata and labels; what is not UTF-8 is replaced (names are checked apart).
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Resolves `\\`, `\n` and, where `quotes` is set, `\"`. Other backslashes stay.
pub(super) fn unescape(text: Cow<'_, str>, quotes: bool) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (resolved, length) = match rest.as_bytes().get(at + 1) {
            Some(b'\\') => ('\\', 2),
            Some(b'n') => ('\n', 2),
            Some(b'"') if quotes => ('"', 2),
            _ => ('\\', 1),
        };
        out.push(resolved);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes_what_prometheus_unescapes() {
        for (escaped, with_quotes, without) in [
            ("plain", "plain", "plain"),
            (r"a\\b", r"a\b", r"a\b"),
            (r"a\nb", "a\nb", "a\nb"),
            (r#"a\"b"#, "a\"b", r#"a\"b"#),
            (r"\t\\n", r"\t\n", r"\t\n"),
            ("é\\n", "é\n", "é\n"),
        ] {
            assert_eq!(unescape(escaped.into(), true), with_quotes);
            assert_eq!(unescape(escaped.into(), false), without);
        }
    }
}
