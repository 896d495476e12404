//! CSS: decoding escapes, escaping strings, and filtering values.

use crate::text::{chars, decode_char};

/// What stands in place of a value that would be unsafe.
pub(super) const FAILSAFE: &str = "ZgotmplZ";

pub(super) fn ends_with_keyword(text: &[u8], keyword: &[u8]) -> bool {
    let Some(start) = text.len().checked_sub(keyword.len()) else { return false };
    if chars(&text[..start]).last().is_some_and(|(_, c, _)| is_name_char(c.unwrap_or('\u{fffd}'))) {
        return false;
    }
    text[start..].eq_ignore_ascii_case(keyword)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '\u{80}'..='\u{fffd}') || c >= '\u{10000}'
}

/// Resolves CSS escapes.
pub(super) fn decode_css(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if rest.len() < 2 {
            return out;
        }
        if rest[1].is_ascii_hexdigit() {
            let mut end = 2;
            while end < rest.len() && end < 7 && rest[end].is_ascii_hexdigit() {
                end += 1;
            }
            let digits = std::str::from_utf8(&rest[1..end]).expect("hexadecimal digits are ASCII");
            let mut code = u32::from_str_radix(digits, 16).expect("six hexadecimal digits fit");
            if code > 0x10ffff {
                code /= 16;
                end -= 1;
            }
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = skip_css_space(&rest[end..]);
        } else {
            let (_, width) = decode_char(&rest[1..]);
            out.extend_from_slice(&rest[1..1 + width]);
            rest = &rest[1 + width..];
        }
    }
    out.extend_from_slice(rest);
    out
}

/// One white space may follow a hexadecimal escape.
fn skip_css_space(text: &[u8]) -> &[u8] {
    match text {
        [b'\r', b'\n', rest @ ..] | [b'\t' | b'\n' | 0xc | b' ' | b'\r', rest @ ..] => rest,
        _ => text,
    }
}

/// Escapes text for a CSS string.
pub(super) fn escape_css(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0 | b'\t' | b'\n' | 0xc | b'\r' | b'"' | b'&' | b'\'' | b'(' | b')' | b'+' | b'/' | b':' | b';' | b'<'
            | b'>' | b'{' | b'}' => {
                out.extend_from_slice(format!("\\{byte:x}").as_bytes());
                // A digit or space that follows would belong to the escape.
                if text.get(at + 1).is_none_or(|next| next.is_ascii_hexdigit() || b"\t\n\x0c\r ".contains(next)) {
                    out.push(b' ');
                }
            }
            _ => out.push(*byte),
        }
    }
    out
}

/// Lets innocuous CSS values through (`10px`, `#f00`, `bold`) and replaces all others.
pub(super) fn filter_css_value(text: &[u8]) -> Vec<u8> {
    let decoded = decode_css(text);
    let mut name = Vec::new();
    for (at, byte) in decoded.iter().enumerate() {
        match byte {
            0 | b'"' | b'\'' | b'(' | b')' | b'/' | b';' | b'@' | b'[' | b'\\' | b']' | b'`' | b'{' | b'}' | b'<'
            | b'>' => return FAILSAFE.into(),
            b'-' if at > 0 && decoded[at - 1] == b'-' => return FAILSAFE.into(),
            b'-' => {}
            byte if byte.is_ascii() && is_name_char(*byte as char) => name.push(byte.to_ascii_lowercase()),
            _ => {}
        }
    }
    let has = |word: &[u8]| super::transition::find(&name, word).is_some();
    if has(b"expression") || has(b"mozbinding") { FAILSAFE.into() } else { decoded }
}
