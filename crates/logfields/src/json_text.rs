//! Strings of JSON: where they end, and what they say once unescaped.

use crate::json::{JsonError, JsonKind, JsonValue};

/// Where the string that begins at `data[from]`, after its opening quote, ends (the place of its closing quote), and whether it
/// holds escapes.
pub(crate) fn string_end(data: &[u8], from: usize) -> Option<(usize, bool)> {
    let mut at = from;
    let near = data.len().min(from + 24);
    while at < near {
        match data[at] {
            b'"' => return Some((at, false)),
            b'\\' => return escaped_string_end(data, at),
            _ => at += 1,
        }
    }
    let found = at + memchr::memchr2(b'"', b'\\', &data[at..])?;
    if data[found] == b'"' { Some((found, false)) } else { escaped_string_end(data, found) }
}

fn escaped_string_end(data: &[u8], backslash: usize) -> Option<(usize, bool)> {
    let mut at = backslash;
    loop {
        at += memchr::memchr2(b'"', b'\\', data.get(at..)?)?;
        if data[at] == b'"' {
            return Some((at, true));
        }
        at += 2;
    }
}

/// Unescapes what stands between the quotes of a string into `to`. On an error `to` holds a part.
pub fn unescape(text: &str, to: &mut String) -> Result<(), JsonError> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        to.push_str(&rest[..at]);
        let (c, taken) = escape(&rest.as_bytes()[at..]).ok_or(JsonError::Escape)?;
        to.push(c);
        rest = &rest[at + taken..];
    }
    to.push_str(rest);
    Ok(())
}

fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let simple = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = unit(bytes)?;
            if !(0xD800..=0xDFFF).contains(&high) {
                return Some((char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6));
            }
            let low = unit(bytes.get(6..)?).filter(|low| *low >= 0xDC00)?;
            let pair = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return Some((char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
        }
        _ => return None,
    };
    Some((simple, 2))
}

/// The code unit of `\uXXXX`, whose first two bytes are not looked at (as in the parser that Loki uses).
fn unit(bytes: &[u8]) -> Option<u32> {
    bytes.get(2..6)?.iter().try_fold(0, |unit, b| Some(unit << 4 | char::from(*b).to_digit(16)?))
}

/// The text of a value as a label has it: strings unescaped, with blanks for what is not UTF-8, and nothing where an escape is
/// wrong; numbers as written; `true` and `false`; nothing for the rest.
pub fn string_text<'a>(value: JsonValue<'a>, damaged: bool, buffer: &'a mut String) -> &'a str {
    match value.kind {
        JsonKind::String if value.escaped => {
            buffer.clear();
            if unescape(value.raw, buffer).is_err() {
                return "";
            }
            if buffer.contains(char::REPLACEMENT_CHARACTER) {
                *buffer = buffer.replace(char::REPLACEMENT_CHARACTER, " ");
            }
            buffer
        }
        JsonKind::String | JsonKind::Number if damaged => crate::utf8::mend(value.raw, buffer),
        JsonKind::String | JsonKind::Number | JsonKind::Boolean => value.raw,
        JsonKind::Null | JsonKind::Object | JsonKind::Array => "",
    }
}
