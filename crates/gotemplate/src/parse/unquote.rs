//! Quoted strings as Go's `strconv.Unquote` reads them. A `\x` escape may make bytes that are not UTF-8.

use crate::text::decode_char;

/// Removes double quotes or back quotes and resolves escapes. `None` where the text is not a Go string.
pub(crate) fn unquote(text: &str) -> Option<Vec<u8>> {
    let quote = text.bytes().next()?;
    if text.len() < 2 || !text.ends_with(quote as char) {
        return None;
    }
    let inner = &text[1..text.len() - 1];
    if quote == b'`' {
        return Some(inner.bytes().filter(|b| *b != b'\r').collect());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while !rest.is_empty() {
        if rest[0] == quote || rest[0] == b'\n' {
            return None;
        }
        rest = unquote_one(rest, quote, &mut out)?;
    }
    Some(out)
}

/// The character of a character constant, quotes included.
pub(crate) fn unquote_char_constant(text: &str) -> Result<char, String> {
    let inner = text.strip_prefix('\'').filter(|inner| !inner.starts_with('\'')).ok_or("invalid syntax")?;
    let mut out = Vec::new();
    let rest = unquote_one(inner.as_bytes(), b'\'', &mut out).ok_or("invalid syntax")?;
    if rest != b"'" {
        return Err(format!("malformed character constant: {text}"));
    }
    match decode_char(&out) {
        (Some(c), width) if width == out.len() => Ok(c),
        _ => Ok(out[0] as char), // '\xff' is the number 255
    }
}

/// Resolves one character or escape into `out`; returns what follows.
fn unquote_one<'a>(text: &'a [u8], quote: u8, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    if text[0] != b'\\' {
        let (_, width) = decode_char(text);
        out.extend_from_slice(&text[..width]);
        return Some(&text[width..]);
    }
    let escape = *text.get(1)?;
    let rest = &text[2..];
    let simple = match escape {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'\'' | b'"' if escape == quote => escape,
        b'x' => return numeric(rest, 2, 16, out, true),
        b'u' => return numeric(rest, 4, 16, out, false),
        b'U' => return numeric(rest, 8, 16, out, false),
        b'0'..=b'7' => return numeric(&text[1..], 3, 8, out, true),
        _ => return None,
    };
    out.push(simple);
    Some(rest)
}

fn numeric<'a>(text: &'a [u8], digits: usize, base: u32, out: &mut Vec<u8>, byte: bool) -> Option<&'a [u8]> {
    let number = std::str::from_utf8(text.get(..digits)?).ok()?;
    if !number.bytes().all(|b| (b as char).is_digit(base)) {
        return None;
    }
    let code = u32::from_str_radix(number, base).ok()?;
    if byte {
        out.push(u8::try_from(code).ok()?);
    } else {
        let mut buffer = [0; 4];
        out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut buffer).as_bytes());
    }
    Some(&text[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        assert_eq!(unquote(r#""tab\t\u00e9\101\x41\"""#).unwrap(), "tab\t\u{e9}AA\"".as_bytes());
        assert_eq!(unquote("`raw \\n`").unwrap(), b"raw \\n");
        assert_eq!(unquote(r#""\xff""#).unwrap(), [0xff]);
        for bad in [r#""\'""#, r#""\q""#, r#""\x1""#, r#""\400""#, r#""\ud800""#, "\""] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
        assert_eq!(unquote_char_constant(r"'\''"), Ok('\''));
        for bad in ["'ab'", "''", r"'\q'"] {
            assert!(unquote_char_constant(bad).is_err(), "{bad}");
        }
    }
}
