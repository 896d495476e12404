//! JSON objects as Loki's `json` reads them: with the leniency of the parser that it uses, error for error. What stands after the
//! closing brace is not looked at, a nested object ends where its braces balance, and fields before an error count.

use std::ops::ControlFlow;

use thiserror::Error;

use crate::json_text::{string_end, string_text, unescape};
use crate::name::{append, is_plain};
use crate::utf8::Text;
use crate::{Field, Scratch};

/// Objects nested deeper than this are an error; each level is read once more to find its end.
pub const MAX_NESTING: usize = 128;

/// Why a line is not the JSON that is looked for. The text is what Loki puts into `__error_details__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum JsonError {
    /// Something is not where it belongs.
    #[error("Malformed JSON error")]
    Malformed,
    /// A string does not end.
    #[error("Value is string, but can't find closing '\"' symbol")]
    String,
    /// An array does not end, or an object lacks what follows a value.
    #[error("Value is array, but can't find closing ']' symbol")]
    Array,
    /// Not an object, or one that does not end.
    #[error("Value looks like object, but can't find closing '}}' symbol")]
    Object,
    /// A value is none of JSON's.
    #[error("Unknown value type")]
    Unknown,
    /// A name, or a packed line, has an escape that is none.
    #[error("Encountered an invalid escape sequence in a string")]
    Escape,
    /// Objects are nested deeper than [`MAX_NESTING`]; Loki knows no such bound.
    #[error("objects are nested too deep")]
    Nesting,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// A string.
    String,
    /// Whatever begins like a number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// A value where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonValue<'a> {
    /// Its text; of a string what is between the quotes, still escaped.
    pub raw: &'a str,
    /// What it is.
    pub kind: JsonKind,
    /// True for a string with escapes.
    pub escaped: bool,
}

/// Gives every field of a JSON object to `visit` by name and text, in the order of the line, until it breaks off.
///
/// Names of nested objects are joined by `_`, each part sanitised. Null and arrays are left out, and so are fields without a
/// name. A name may come twice.
pub fn json(
    line: &[u8],
    scratch: &mut Scratch,
    mut visit: impl FnMut(&str, &str) -> ControlFlow<()>,
) -> Result<(), JsonError> {
    json_fields(line, scratch, |field| visit(field.name, field.value))
}

/// As [`json`], with what else is known of a field.
pub fn json_fields(
    line: &[u8],
    scratch: &mut Scratch,
    mut visit: impl FnMut(Field<'_>) -> ControlFlow<()>,
) -> Result<(), JsonError> {
    let line = Text::of(line);
    scratch.name.clear();
    let mut walk = Walk { damaged: line.damaged, scratch, visit: &mut visit };
    walk.object(&line.text, 0).map(drop)
}

struct Walk<'s, V> {
    damaged: bool,
    scratch: &'s mut Scratch,
    visit: &'s mut V,
}

impl<V: FnMut(Field<'_>) -> ControlFlow<()>> Walk<'_, V> {
    fn object(&mut self, text: &str, depth: usize) -> Result<ControlFlow<()>, JsonError> {
        if depth > MAX_NESTING {
            return Err(JsonError::Nesting);
        }
        json_object(text, |key, value| match value.kind {
            JsonKind::Null | JsonKind::Array => Ok(ControlFlow::Continue(())),
            JsonKind::Object => {
                let outer = self.scratch.name.len();
                append(&mut self.scratch.name, key);
                let flow = self.object(value.raw, depth + 1);
                self.scratch.name.truncate(outer);
                flow
            }
            JsonKind::String | JsonKind::Number | JsonKind::Boolean => Ok(self.field(key, value)),
        })
    }

    fn field(&mut self, key: &str, value: JsonValue<'_>) -> ControlFlow<()> {
        let Scratch { name, value: buffer } = &mut *self.scratch;
        let outer = name.len();
        if outer == 0 && is_plain(key) {
            let value = string_text(value, self.damaged, buffer);
            return (self.visit)(Field { name: key, value, key });
        }
        append(name, key);
        let flow = match name.is_empty() {
            true => ControlFlow::Continue(()),
            false => {
                let value = string_text(value, self.damaged, buffer);
                (self.visit)(Field { name, value, key: if outer > 0 { name } else { key } })
            }
        };
        name.truncate(outer);
        flow
    }
}

/// Gives each name (unescaped) and value of an object, not of those within, to `visit`, until it breaks off.
pub fn json_object<E: From<JsonError>>(
    text: &str,
    mut visit: impl FnMut(&str, JsonValue<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    let data = text.as_bytes();
    let mut key_buffer = String::new();
    let mut at = match skip_blank(data, 0) {
        Some(at) if data[at] == b'{' => at + 1,
        _ => return Err(JsonError::Object.into()),
    };
    at = skip_blank(data, at).ok_or(JsonError::Malformed)?;
    loop {
        match data.get(at) {
            Some(b'"') => {}
            Some(b'}') => return Ok(ControlFlow::Continue(())),
            _ => return Err(JsonError::Object.into()),
        }
        let (end, escaped) = string_end(data, at + 1).ok_or(JsonError::Malformed)?;
        let mut key = &text[at + 1..end];
        if escaped {
            key_buffer.clear();
            unescape(key, &mut key_buffer)?;
            key = &key_buffer;
        }
        at = match skip_blank(data, end + 1) {
            Some(at) if data[at] == b':' => at + 1,
            _ => return Err(JsonError::Malformed.into()),
        };
        let (value, end) = value_at(text, at)?;
        if visit(key, value)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        at = skip_blank(data, end).ok_or(JsonError::Array)?;
        match data[at] {
            b'}' => return Ok(ControlFlow::Continue(())),
            b',' => at = skip_blank(data, at + 1).ok_or(JsonError::Array)?,
            _ => return Err(JsonError::Object.into()),
        }
    }
}

/// The value that begins at `from`, after blanks, and the place after it.
pub(crate) fn value_at(text: &str, from: usize) -> Result<(JsonValue<'_>, usize), JsonError> {
    let data = text.as_bytes();
    let at = skip_blank(data, from).ok_or(JsonError::Malformed)?;
    let (kind, end) = match data[at] {
        b'"' => {
            let (end, escaped) = string_end(data, at + 1).ok_or(JsonError::String)?;
            return Ok((JsonValue { raw: &text[at + 1..end], kind: JsonKind::String, escaped }, end + 1));
        }
        b'[' => (JsonKind::Array, block_end(data, at, b'[', b']').ok_or(JsonError::Array)?),
        b'{' => (JsonKind::Object, block_end(data, at, b'{', b'}').ok_or(JsonError::Object)?),
        first => {
            let end = token_end(data, at);
            let kind = match (first, &data[at..end]) {
                (_, b"true" | b"false") => JsonKind::Boolean,
                (_, b"null") => JsonKind::Null,
                (b'0'..=b'9' | b'-', _) => JsonKind::Number,
                _ => return Err(JsonError::Unknown),
            };
            (kind, end)
        }
    };
    Ok((JsonValue { raw: &text[at..end], kind, escaped: false }, end))
}

/// The place of the first byte from `from` on that is not blank.
pub(crate) fn skip_blank(data: &[u8], from: usize) -> Option<usize> {
    let rest = data.get(from..)?;
    rest.iter().position(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t')).map(|skipped| from + skipped)
}

fn token_end(data: &[u8], from: usize) -> usize {
    let is_end = |b: &u8| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']');
    data[from..].iter().position(is_end).map_or(data.len(), |length| from + length)
}

/// The place after the block that opens at `from`. Only its own kind of brackets counts, outside of strings.
pub(crate) fn block_end(data: &[u8], from: usize, open: u8, close: u8) -> Option<usize> {
    let mut level = 0_usize;
    let mut at = from;
    loop {
        at += memchr::memchr3(b'"', open, close, data.get(at..)?)?;
        match data[at] {
            b'"' => at = string_end(data, at + 1)?.0,
            b if b == open => level += 1,
            _ => level -= 1,
        }
        at += 1;
        if level == 0 {
            return Some(at);
        }
    }
}
