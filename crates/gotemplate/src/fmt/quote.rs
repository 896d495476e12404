//! Quoting as Go's `strconv` does.

use std::fmt::Write;

use crate::text::chars;

/// `strconv.Quote`: double quotes, escapes for what does not print, `\x` for bytes that are not UTF-8.
pub fn quote(bytes: &[u8]) -> String {
    quote_with(bytes, false)
}

/// `strconv.QuoteToASCII` where `ascii` is set, `strconv.Quote` otherwise.
pub(super) fn quote_with(bytes: &[u8], ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for (at, c, _) in chars(bytes) {
        match c {
            Some(c) => push_escaped(&mut out, c, '"', ascii),
            None => {
                let _ = write!(out, "\\x{:02x}", bytes[at]);
            }
        }
    }
    out.push('"');
    out
}

/// `strconv.QuoteRune`.
pub(super) fn quote_char(c: char, ascii: bool) -> String {
    let mut out = String::from("'");
    push_escaped(&mut out, c, '\'', ascii);
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, c: char, quote: char, ascii: bool) {
    let simple = match c {
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        '\\' => '\\',
        c if c == quote => c,
        c => {
            let code = c as u32;
            let _ = if is_print(c) && (c.is_ascii() || !ascii) {
                out.write_char(c)
            } else if code < 0x20 || code == 0x7f {
                write!(out, "\\x{code:02x}")
            } else if code < 0x1_0000 {
                write!(out, "\\u{code:04x}")
            } else {
                write!(out, "\\U{code:08x}")
            };
            return;
        }
    };
    out.push('\\');
    out.push(simple);
}

/// `strconv.CanBackquote`: whether back quotes can hold the text unchanged.
pub(super) fn can_backquote(bytes: &[u8]) -> bool {
    chars(bytes).all(|(_, c, _)| {
        c.is_some_and(|c| c != '\u{feff}' && c != '`' && c != '\u{7f}' && (c == '\t' || c >= '\u{20}'))
    })
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols, and of the spaces only U+0020.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // The standard library escapes what does not print, and combining marks where they come first.
    let mut pair = String::from("a");
    pair.push(c);
    pair.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go() {
        assert_eq!(
            quote("C:\\x\t\"q\"\u{e9}\u{a0}\u{200b}\u{301}".as_bytes()),
            "\"C:\\\\x\\t\\\"q\\\"\u{e9}\\u00a0\\u200b\u{301}\""
        );
        assert_eq!(quote(b"h\xc3\x00"), "\"h\\xc3\\x00\"");
        assert_eq!(quote_with("\u{e9}\u{1f525}".as_bytes(), true), "\"\\u00e9\\U0001f525\"");
        assert_eq!(quote_char('\'', false), "'\\''");
        assert!(can_backquote(b"a\tb") && !can_backquote(b"a`b") && !can_backquote(b"\n"));
    }
}
