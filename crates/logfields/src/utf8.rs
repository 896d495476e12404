//! Lines are bytes; the parsers read text. A line that is not UTF-8 is read with U+FFFD in place of each byte that is not,
//! and U+FFFD, written or put there, is a blank in values, as Go's `strings.Map` over invalid runes makes it in Loki.

use std::borrow::Cow;

/// A line as text.
#[derive(Debug)]
pub struct Text<'a> {
    /// The line, with U+FFFD for each byte that is not UTF-8.
    pub text: Cow<'a, str>,
    /// True where the text holds U+FFFD.
    pub damaged: bool,
}

const DAMAGE: char = '\u{FFFD}';

impl<'a> Text<'a> {
    /// Reads a line. Borrows where it is UTF-8.
    pub fn of(line: &'a [u8]) -> Self {
        match std::str::from_utf8(line) {
            Ok(text) => {
                let damaged = !text.is_ascii() && memchr::memmem::find(line, "\u{FFFD}".as_bytes()).is_some();
                Text { text: Cow::Borrowed(text), damaged }
            }
            Err(_) => Text { text: Cow::Owned(lossy(line)), damaged: true },
        }
    }

    /// Where the byte at `offset` of the text stands in `line`, from which the text was read.
    pub fn offset_in(&self, line: &[u8], offset: usize) -> usize {
        if matches!(self.text, Cow::Borrowed(_)) {
            return offset;
        }
        let (mut in_text, mut in_line) = (0, 0);
        for chunk in line.utf8_chunks() {
            let valid = chunk.valid().len();
            if offset <= in_text + valid {
                return in_line + (offset - in_text);
            }
            in_text += valid;
            in_line += valid;
            for _ in chunk.invalid() {
                if offset < in_text + DAMAGE.len_utf8() {
                    return in_line;
                }
                in_text += DAMAGE.len_utf8();
                in_line += 1;
            }
        }
        in_line
    }
}

fn lossy(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len() + 16);
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| DAMAGE));
    }
    text
}

/// `value` with blanks for U+FFFD, in `buffer` where there are any.
pub fn mend<'a>(value: &'a str, buffer: &'a mut String) -> &'a str {
    if !value.contains(DAMAGE) {
        return value;
    }
    buffer.clear();
    buffer.extend(value.chars().map(|c| if c == DAMAGE { ' ' } else { c }));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_marked_one_by_one_and_found_again() {
        let line = b"a\xc3\xb6\xe2\x82b\xff";
        let text = Text::of(line);
        assert_eq!(text.text, "a\u{f6}\u{FFFD}\u{FFFD}b\u{FFFD}");
        assert!(text.damaged);
        let b = text.text.find('b').expect("it has a b");
        assert_eq!(line[text.offset_in(line, b)], b'b');
        assert_eq!(text.offset_in(line, text.text.len()), line.len());
        assert_eq!(mend(&text.text, &mut String::new()), "a\u{f6}  b ");
    }
}
