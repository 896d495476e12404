//! Regular expressions as Go reads them. Users' patterns were written for Go's `regexp` (RE2 syntax); the `regex` crate reads a
//! few things otherwise, so they are rewritten first.
//!
//! What differs: a `{` that opens no repetition stands for itself in Go; `\d`, `\w`, `\s` and `\b` know ASCII only; `\Q...\E`
//! quotes; `\123` is octal; `\<` and `\>` are plain characters; inside `[...]` a `[` and the pairs `&&`, `--`, `~~` mean
//! nothing special.

/// Rewrites a pattern of Go's `regexp` so that the `regex` crate gives it the same meaning. Invalid patterns stay invalid.
pub fn from_go(pattern: &str) -> String {
    let needs_work = |c: char| matches!(c, '{' | '\\' | '[');
    if !pattern.contains(needs_work) {
        return pattern.to_owned();
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => escape(rest, false, &mut out),
            '[' => class(rest, &mut out),
            '{' => {
                let length = repetition(rest);
                out.push_str(if length == 0 { "\\{" } else { &rest[..length] });
                &rest[length.max(1)..]
            }
            _ => {
                out.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    out
}

/// Length of `{n}`, `{n,}` or `{n,m}` at the start of the text; 0 where there is none.
fn repetition(text: &str) -> usize {
    let Some(end) = text.find('}') else { return 0 };
    let (least, most) = text[1..end].split_once(',').unwrap_or((&text[1..end], ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !least.is_empty() && digits(least) && digits(most) { end + 1 } else { 0 }
}

/// Rewrites the escape at the start of the text and returns what follows it.
fn escape<'a>(text: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let after = &text[1..];
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[c.len_utf8()..];
    let ascii = |open: &'static str, inside: &'static str| if in_class { inside } else { open };
    match c {
        'd' => out.push_str(ascii("[0-9]", "0-9")),
        'w' => out.push_str(ascii("[0-9A-Za-z_]", "0-9A-Za-z_")),
        's' => out.push_str(ascii(r"[\t\n\f\r ]", r"\t\n\f\r ")),
        'D' => out.push_str("[^0-9]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        'S' => out.push_str(r"[^\t\n\f\r ]"),
        'b' if !in_class => out.push_str(r"(?-u:\b)"),
        '<' | '>' => out.push(c),
        'Q' if !in_class => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        '0'..='7' => return octal(after, out),
        c => {
            out.push('\\');
            out.push(c);
        }
    }
    rest
}

/// `\012`, or `\1` to `\7` followed by another octal digit; a single one would be a back reference, which Go refuses too.
fn octal<'a>(digits: &'a str, out: &mut String) -> &'a str {
    let length = digits.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
    let value = u32::from_str_radix(&digits[..length], 8).unwrap_or_default();
    match char::from_u32(value) {
        Some(c) if length > 1 || digits.starts_with('0') => out.push_str(&format!("\\x{{{:X}}}", c as u32)),
        _ => out.push_str(&format!("\\{}", &digits[..length])),
    }
    &digits[length..]
}

/// Rewrites the character class at the start of the text and returns what follows it.
fn class<'a>(text: &'a str, out: &mut String) -> &'a str {
    let mut rest = &text[1..];
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut first = true;
    let mut last = '\0';
    while let Some(c) = rest.chars().next() {
        if c == ']' && !first {
            out.push(']');
            return &rest[1..];
        }
        first = false;
        rest = match c {
            '\\' => escape(rest, true, out),
            '[' => match rest.strip_prefix("[:").and_then(|r| r.find(":]")) {
                Some(end) => {
                    out.push_str(&rest[..end + 4]);
                    &rest[end + 4..]
                }
                None => {
                    out.push_str("\\[");
                    &rest[1..]
                }
            },
            ']' => {
                out.push_str("\\]");
                &rest[1..]
            }
            // The second of `&&`, `--` or `~~` is escaped, so that it stays a character.
            '&' | '~' | '-' if last == c => {
                out.push('\\');
                out.push(c);
                &rest[1..]
            }
            _ => {
                out.push(c);
                &rest[c.len_utf8()..]
            }
        };
        last = c;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    fn matches(pattern: &str, text: &str) -> bool {
        Regex::new(&format!("^(?s:{})$", from_go(pattern))).unwrap_or_else(|e| panic!("{pattern}: {e}")).is_match(text)
    }

    #[test]
    fn what_go_reads_otherwise() {
        for (pattern, text, wanted) in [
            ("a{b}", "a{b}", true),
            ("${x:pipe}", "${x:pipe}", false),
            ("a{2}", "aa", true),
            ("a{2,}", "aaa", true),
            ("a{,2}", "a{,2}", true),
            (r"\d", "٣", false),
            (r"\d+", "12", true),
            (r"\w", "é", false),
            (r"[\w.]+", "a.b", true),
            (r"[\D]", "x", true),
            (r"\s", "\u{a0}", false),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\Qa.b", "a.b", true),
            (r"\101", "A", true),
            (r"\<a\>", "<a>", true),
            ("[[]", "[", true),
            ("[]a]", "]", true),
            ("[^]a]", "b", true),
            ("[a&&b]", "&", true),
            ("[[:alpha:]_]+", "ab_", true),
            ("[+--]", "-", true),
            (r"a\.b", "a.b", true),
            (r"x\b.y", "x-y", true),
            ("é{2}", "éé", true),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern:?} on {text:?} as {:?}", from_go(pattern));
        }
        for bad in ["(", "[a", r"\8", "a\\", r"\1"] {
            assert!(Regex::new(&from_go(bad)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_rewritten(pattern in r"[\[\]{}()\\^&~\-a-c0-9QEdwsé:|.*+?]{0,20}") {
            let _ = Regex::new(&from_go(&pattern));
        }

        #[test]
        fn plain_patterns_stay(pattern in r"[a-z0-9|.*+?()]{0,20}") {
            prop_assert_eq!(from_go(&pattern), pattern);
        }
    }
}
