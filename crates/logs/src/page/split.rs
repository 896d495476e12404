//! Finds what varies in a line: fields' values, words with digits. What is left is the line's template, which many lines share.
//!
//! A text that is cut out of a template never contains what could change how the line is parsed: no quotes, no backslashes, no
//! equals signs, no blanks (but in [`Class::Wide`]), nothing beyond ASCII. So lines of one template have the same fields at the same places.

use memchr::memchr2;
use xxhash_rust::xxh3::xxh3_64;

/// What is known of a text that is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// A number outside of quotes, as JSON writes it.
    Number,
    /// Printable ASCII without blanks, quotes, backslashes and equals signs.
    Word,
    /// A JSON string with blanks, or beyond ASCII.
    Wide,
    /// A whole line.
    Line,
}

/// A text to be cut out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) class: Class,
    /// Texts of one context share a column.
    pub(super) context: u64,
}

/// How much is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Values and words with digits.
    Fine,
    /// Strings of JSON as a whole, too.
    Wide,
}

const WORD: u8 = 1;
const DIGIT: u8 = 2;
const SAFE: u8 = 4;

/// What a byte may be part of.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut b = 0x21;
    while b < 0x7f {
        let byte = b as u8;
        if byte != b'"' && byte != b'\\' && byte != b'=' {
            kinds[b] |= SAFE;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'+' | b'@' | b'%' | b'-') {
            kinds[b] |= WORD;
        }
        if byte.is_ascii_digit() {
            kinds[b] |= DIGIT;
        }
        b += 1;
    }
    kinds
};

const LONGEST: usize = 4096;

fn kind(byte: u8) -> u8 {
    KINDS[byte as usize]
}

fn hash(seed: u64, text: &[u8]) -> u64 {
    xxh3_64(text) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// True where the line is read as JSON.
pub(super) fn is_json(line: &[u8]) -> bool {
    let blank = line.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count();
    line.get(blank) == Some(&b'{')
}

/// True where the parser of JSON finds no object at the beginning of the line, whatever follows.
pub(super) fn is_no_json(line: &[u8]) -> bool {
    let first = line.iter().find(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t'));
    // Damaged bytes may read as blanks.
    first.is_none_or(|b| b.is_ascii() && *b != b'{')
}

/// Appends the slots of a line, in order.
pub(super) fn split(line: &[u8], mode: Mode, slots: &mut Vec<Slot>) {
    match is_json(line) {
        true => json(line, mode, slots),
        false => words(line, 0..line.len(), 1, slots),
    }
}

fn json(line: &[u8], mode: Mode, slots: &mut Vec<Slot>) {
    let mut context = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'"' => {
                let begin = at + 1;
                let Some((end, escaped)) = string_end(line, begin) else { return };
                at = end + 1;
                if is_name(line, at) {
                    context = hash(2, &line[begin..end]);
                    continue;
                }
                string(line, (begin, end), (escaped, mode), context, slots);
            }
            b'0'..=b'9' | b'-' => {
                let length = line[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
                    .count();
                let end = at + length;
                let is_whole =
                    line.get(end).is_none_or(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
                let is_begun = at > 0 && matches!(line[at - 1], b':' | b'[' | b',' | b' ' | b'\n' | b'\r' | b'\t');
                if is_whole && is_begun && is_number(&line[at..end]) {
                    slots.push(Slot { begin: at, end, class: Class::Number, context });
                }
                at = end;
            }
            _ => at += 1,
        }
    }
}

fn string(
    line: &[u8],
    (begin, end): (usize, usize),
    (escaped, mode): (bool, Mode),
    context: u64,
    slots: &mut Vec<Slot>,
) {
    let text = &line[begin..end];
    if text.is_empty() {
        return;
    }
    let is_safe = text.len() <= LONGEST && text.iter().all(|b| kind(*b) & SAFE != 0);
    if is_safe || (text.len() <= LONGEST && super::time_text::parse(text).is_some()) {
        slots.push(Slot { begin, end, class: if is_safe { Class::Word } else { Class::Wide }, context: context ^ 1 });
        return;
    }
    if mode == Mode::Wide && !escaped && is_wide(text) {
        slots.push(Slot { begin, end, class: Class::Wide, context: context ^ 2 });
        return;
    }
    words(line, begin..end, context, slots);
}

/// True for text that every parser hands on as it is.
fn is_wide(text: &[u8]) -> bool {
    text.iter().all(|b| *b >= b' ') && std::str::from_utf8(text).is_ok_and(|text| !text.contains('\u{FFFD}'))
}

fn is_name(line: &[u8], from: usize) -> bool {
    line[from..].iter().find(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t')) == Some(&b':')
}

fn string_end(line: &[u8], from: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (from, false);
    loop {
        at += memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// A number as JSON writes it.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || text.len() > 40 {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

/// Words with digits, and whatever stands behind an equals sign.
fn words(line: &[u8], range: std::ops::Range<usize>, seed: u64, slots: &mut Vec<Slot>) {
    let mut at = range.start;
    let mut before = range.start;
    while at < range.end {
        if kind(line[at]) & WORD == 0 {
            at += 1;
            continue;
        }
        let begin = at;
        let mut kinds = 0;
        while at < range.end && kind(line[at]) & WORD != 0 {
            kinds |= kind(line[at]);
            at += 1;
        }
        // What stands behind a backslash is part of an escape, and says how the text is read.
        if begin > range.start && line[begin - 1] == b'\\' {
            continue;
        }
        // A date goes on behind a blank.
        if at - begin == 10 && line[at..range.end].first() == Some(&b' ') && line[begin + 4] == b'-' {
            let more = line[at + 1..range.end].iter().take_while(|b| kind(**b) & WORD != 0 || **b == b',').count();
            if super::time_text::parse(&line[begin..at + 1 + more]).is_some() {
                at += 1 + more;
                slots.push(Slot { begin, end: at, class: Class::Wide, context: hash(seed ^ 3, b"time") });
                before = at;
                continue;
            }
        }
        let is_value = begin > range.start && line[begin - 1] == b'=';
        let is_quoted = begin > range.start + 1
            && line[begin - 1] == b'"'
            && line[begin - 2] == b'='
            && line[at..range.end].first() == Some(&b'"');
        let is_name = line[at..range.end].first() == Some(&b'=');
        let has_digits = kinds & DIGIT != 0;
        if is_name || !(has_digits || is_value || is_quoted) {
            continue;
        }
        let mut end = at;
        if !is_value && !is_quoted {
            while end > begin && matches!(line[end - 1], b'.' | b':' | b'-' | b'+') {
                end -= 1;
            }
        }
        if end - begin > LONGEST || end == begin {
            continue;
        }
        let context = &line[before.max(begin.saturating_sub(12))..begin];
        slots.push(Slot { begin, end, class: Class::Word, context: hash(seed, context) });
        before = end;
    }
}
