//! `key=value` pairs as Loki's `logfmt` reads them: anything up to a blank is a pair or not, and what is not is passed over, or
//! with `strict` ends the line with an error that tells the place.

use std::ops::ControlFlow;

use thiserror::Error;

use crate::name::{append, is_plain};
use crate::utf8::{Text, mend};
use crate::{Field, Scratch};

/// How a line is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogfmtOptions {
    /// Stop at what is not a pair, and say so.
    pub strict: bool,
    /// Give pairs without a value, too.
    pub keep_empty: bool,
}

/// Why a line is not logfmt. The text is what Loki puts into `__error_details__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("logfmt syntax error at pos {position} : {kind}")]
pub struct LogfmtError {
    /// Bytes from the start of the line, from 1.
    pub position: usize,
    /// What is wrong there.
    pub kind: LogfmtErrorKind,
}

/// What is wrong with a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum LogfmtErrorKind {
    /// `=` without a name, within a value, or a quote where none may be.
    #[error("unexpected '{0}'")]
    Unexpected(char),
    /// A name is not UTF-8.
    #[error("invalid key")]
    Key,
    /// A quoted value does not end.
    #[error("unterminated quoted value")]
    Unterminated,
    /// A quoted value has an escape that is none.
    #[error("invalid quoted value")]
    Quoted,
}

/// Gives every pair of a line to `visit` by sanitised name and text, in the order of the line, until it breaks off. Without
/// [`LogfmtOptions::strict`] there is no error.
pub fn logfmt(
    line: &[u8],
    options: LogfmtOptions,
    scratch: &mut Scratch,
    mut visit: impl FnMut(&str, &str) -> ControlFlow<()>,
) -> Result<(), LogfmtError> {
    logfmt_fields(line, options, scratch, |field| visit(field.name, field.value))
}

/// As [`logfmt`], with what else is known of a field.
pub fn logfmt_fields(
    line: &[u8],
    options: LogfmtOptions,
    scratch: &mut Scratch,
    mut visit: impl FnMut(Field<'_>) -> ControlFlow<()>,
) -> Result<(), LogfmtError> {
    let text = Text::of(line);
    let Scratch { name: sanitized, value: buffer } = scratch;
    let mut mended = String::new();
    let mut pairs = pairs(&text.text);
    loop {
        let (key, value) = match pairs.next_pair(buffer) {
            Ok(Some(pair)) => pair,
            Ok(None) => return Ok(()),
            Err(_) if !options.strict => continue,
            Err(error) => {
                return Err(LogfmtError { position: text.offset_in(line, error.position - 1) + 1, ..error });
            }
        };
        if value.is_empty() && !options.keep_empty {
            continue;
        }
        let name = match is_plain(key) {
            true => key,
            false => {
                sanitized.clear();
                append(sanitized, key);
                sanitized.as_str()
            }
        };
        let field = Field { name, value: mend(value, &mut mended), key };
        if !name.is_empty() && visit(field).is_break() {
            return Ok(());
        }
    }
}

/// The pairs of a line as written.
pub fn pairs(line: &str) -> Pairs<'_> {
    Pairs { line, at: 0 }
}

/// Reads pairs one by one; see [`pairs`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Pairs<'a> {
    /// The next pair: name as written, value unquoted (in `buffer` where it has escapes), empty where there is none. After an
    /// error the next call goes on behind it.
    pub fn next_pair<'b>(&mut self, buffer: &'b mut String) -> Result<Option<(&'a str, &'b str)>, LogfmtError>
    where
        'a: 'b,
    {
        let line = self.line.as_bytes();
        let Some(start) = line[self.at..].iter().position(|b| *b > b' ').map(|skipped| self.at + skipped) else {
            self.at = line.len();
            return Ok(None);
        };
        let is_key_end = |b: &u8| *b <= b' ' || *b == b'=' || *b == b'"';
        let end = line[start..].iter().position(is_key_end).map_or(line.len(), |length| start + length);
        self.at = end;
        let key = &self.line[start..end];
        match line.get(end) {
            Some(b'"') => return Err(self.skip(LogfmtErrorKind::Unexpected('"'))),
            Some(b'=') if key.is_empty() => return Err(self.skip(LogfmtErrorKind::Unexpected('='))),
            Some(b'=') if key.contains(char::REPLACEMENT_CHARACTER) => return Err(self.skip(LogfmtErrorKind::Key)),
            Some(b'=') => {}
            _ if key.contains(char::REPLACEMENT_CHARACTER) => return Err(self.error(LogfmtErrorKind::Key)),
            _ => return Ok(Some((key, ""))),
        }
        self.at += 1;
        match line.get(self.at) {
            Some(b'"') => Ok(Some((key, self.quoted(buffer)?))),
            _ => Ok(Some((key, self.bare()?))),
        }
    }

    fn bare(&mut self) -> Result<&'a str, LogfmtError> {
        let (line, start) = (self.line.as_bytes(), self.at);
        let is_end = |b: &u8| *b <= b' ' || *b == b'=' || *b == b'"';
        self.at = line[start..].iter().position(is_end).map_or(line.len(), |length| start + length);
        match line.get(self.at) {
            Some(b'=') => Err(self.skip(LogfmtErrorKind::Unexpected('='))),
            Some(b'"') => Err(self.skip(LogfmtErrorKind::Unexpected('"'))),
            _ => Ok(&self.line[start..self.at]),
        }
    }

    fn quoted<'b>(&mut self, buffer: &'b mut String) -> Result<&'b str, LogfmtError>
    where
        'a: 'b,
    {
        let start = self.at + 1;
        let Some((end, escaped)) = crate::json_text::string_end(self.line.as_bytes(), start) else {
            self.at = self.line.len();
            return Err(self.error(LogfmtErrorKind::Unterminated));
        };
        self.at = end + 1;
        let raw = &self.line[start..end];
        if !escaped {
            return Ok(raw);
        }
        buffer.clear();
        match unquote(raw, buffer) {
            Some(()) => Ok(buffer),
            None => Err(self.error(LogfmtErrorKind::Quoted)),
        }
    }

    fn error(&self, kind: LogfmtErrorKind) -> LogfmtError {
        LogfmtError { position: self.at + 1, kind }
    }

    /// An error here; reading goes on after the next blank.
    fn skip(&mut self, kind: LogfmtErrorKind) -> LogfmtError {
        let error = self.error(kind);
        let rest = &self.line.as_bytes()[self.at..];
        self.at = rest.iter().position(|b| *b <= b' ').map_or(self.line.len(), |skipped| self.at + skipped);
        error
    }
}

/// Unescapes as Go's encoding/json does, with `\'` besides: a lone surrogate is U+FFFD.
fn unquote(text: &str, to: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        to.push_str(&rest[..at]);
        let escape = &rest.as_bytes()[at..];
        let (c, taken) = match escape.get(1)? {
            c @ (b'"' | b'\\' | b'/' | b'\'') => (char::from(*c), 2),
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode(escape)?,
            _ => return None,
        };
        to.push(c);
        rest = &rest[at + taken..];
    }
    to.push_str(rest);
    Some(())
}

fn unicode(escape: &[u8]) -> Option<(char, usize)> {
    let unit = |bytes: Option<&[u8]>| {
        let digits = bytes?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0_u32, |unit, b| Some(unit << 4 | char::from(*b).to_digit(16)?))
    };
    let high = unit(escape.get(..6))?;
    if !(0xD800..=0xDFFF).contains(&high) {
        return Some((char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6));
    }
    match unit(escape.get(6..12)) {
        Some(low) if high < 0xDC00 && (0xDC00..=0xDFFF).contains(&low) => {
            Some((char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, 12))
        }
        _ => Some((char::REPLACEMENT_CHARACTER, 6)),
    }
}
