//! Numbers and quoted strings of queries, read as Go reads them.

use model::duration::{DurationError, parse_duration_ms};

/// Reads a number as Prometheus does: first as an integer of Go's syntax (`0x1f`, `017`, `1_000`), then as a float.
pub(crate) fn parse_number(text: &str) -> Result<f64, String> {
    let failed = |reason: &str| format!("error parsing number: strconv.ParseFloat: parsing {text:?}: {reason}");
    if text.contains('_') && !underscores_are_placed_well(text) {
        return Err(failed("invalid syntax"));
    }
    let plain = text.replace('_', "");
    if let Some(integer) = parse_integer(&plain) {
        return Ok(integer as f64);
    }
    let value = model::float::parse_go(&plain).ok_or_else(|| failed("invalid syntax"))?;
    if value.is_infinite() && plain.bytes().any(|b| b.is_ascii_digit()) {
        return Err(failed("value out of range"));
    }
    Ok(value)
}

/// Reads a duration as seconds, with Prometheus' wording of faults.
pub(crate) fn parse_duration(text: &str) -> Result<f64, String> {
    match parse_duration_ms(text) {
        Ok(ms) => Ok(ms as f64 / 1000.0),
        Err(DurationError::Syntax(_)) => Err(format!("not a valid duration string: {}", model::float::go_quote(text))),
        Err(DurationError::OutOfRange(_)) => Err("duration out of range".into()),
    }
}

fn parse_integer(text: &str) -> Option<i64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return if hex.starts_with(['+', '-']) { None } else { i64::from_str_radix(hex, 16).ok() };
    }
    if text.len() > 1 && text.starts_with('0') {
        return i64::from_str_radix(text, 8).ok();
    }
    text.parse().ok()
}

/// Go allows an underscore between digits and between a base prefix and a digit.
fn underscores_are_placed_well(text: &str) -> bool {
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let digits = if hexadecimal { &text[2..] } else { text };
    let mut last = if hexadecimal { '0' } else { '^' };
    for c in digits.chars() {
        let is_digit = if hexadecimal { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        if (c == '_' && last != '0') || (c != '_' && !is_digit && last == '_') {
            return false;
        }
        last = if is_digit { '0' } else { c };
    }
    last != '_'
}

/// Removes the quotes of a Go string (`"`, `'` or backquotes) and resolves escapes. `None` where it is not such a string.
///
/// Bytes that do not form UTF-8 become U+FFFD: no label holds them.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    unquote_bytes(quoted).map(|bytes| match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The same as [`unquote`], but gives the bytes.
pub(crate) fn unquote_bytes(quoted: &str) -> Option<Vec<u8>> {
    let quote = quoted.chars().next()?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    match quote {
        '`' => (!inner.contains('`')).then(|| inner.replace('\r', "").into_bytes()),
        '"' | '\'' => unescape(inner, quote),
        _ => None,
    }
}

fn unescape(inner: &str, quote: char) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == quote || c == '\n' {
            return None;
        }
        if c != '\\' {
            push_char(&mut out, c);
            continue;
        }
        match chars.next()? {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            c if c == quote => push_char(&mut out, c),
            c @ '0'..='7' => {
                let rest = take_digits(&mut chars, 2, 8)?;
                out.push(u8::try_from(c.to_digit(8)? * 64 + rest).ok()?);
            }
            'x' => out.push(u8::try_from(take_digits(&mut chars, 2, 16)?).ok()?),
            'u' => push_char(&mut out, char::from_u32(take_digits(&mut chars, 4, 16)?)?),
            'U' => push_char(&mut out, char::from_u32(take_digits(&mut chars, 8, 16)?)?),
            _ => return None,
        }
    }
    Some(out)
}

/// Quotes bytes as Go's `strconv.Quote`: what is not UTF-8 becomes `\xff`.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let quoted = model::float::go_quote(chunk.valid());
        out.push_str(&quoted[1..quoted.len() - 1]);
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn take_digits(chars: &mut std::str::Chars<'_>, count: usize, base: u32) -> Option<u32> {
    let mut value: u32 = 0;
    for _ in 0..count {
        value = value.checked_mul(base)?.checked_add(chars.next()?.to_digit(base)?)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, value) in [
            ("1", 1.0),
            ("1_000", 1000.0),
            ("0x1F", 31.0),
            ("0X_1f", 31.0),
            ("017", 15.0),
            ("08", 8.0),
            ("1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1_000.5", 1000.5),
            ("inf", f64::INFINITY),
        ] {
            assert_eq!(parse_number(text), Ok(value), "{text}");
        }
        assert!(parse_number("NaN").is_ok_and(f64::is_nan));
        assert!(parse_number("1e999").is_err_and(|e| e.ends_with("value out of range")));
        assert!(parse_number("0xffffffffffffffffffff").is_err());
    }

    #[test]
    fn strings() {
        assert_eq!(unquote(r#""a\"b\n\x41\u00e9\303\251""#).as_deref(), Some("a\"b\nAéé"));
        assert_eq!(unquote(r"'it\'s'").as_deref(), Some("it's"));
        assert_eq!(unquote(r"`raw \n`").as_deref(), Some(r"raw \n"));
        assert_eq!(unquote(r#""\xff""#).as_deref(), Some("\u{fffd}"));
        assert_eq!(quote_bytes(&unquote_bytes(r#""a\xc5\"z""#).unwrap()), r#""a\xc5\"z""#);
        for bad in ["", "\"", "\"\\q\"", "\"a\nb\"", "abc"] {
            assert_eq!(unquote(bad), None, "{bad:?}");
        }
    }
}
