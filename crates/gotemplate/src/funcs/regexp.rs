//! Go's regular expressions on Rust's engine: both are RE2's children, but Go's classes `\d \w \s \b` know ASCII only, and
//! a bracket inside a class is just a character.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

/// Compiled expressions are kept, because a template runs often; beyond this many all are forgotten.
const CACHE_SIZE: usize = 256;
/// Bytes that a compiled expression may take.
const SIZE_LIMIT: usize = 1 << 20;

static CACHE: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);

/// Compiles a Go regular expression.
pub(super) fn compile(pattern: &str) -> Result<Arc<Regex>, String> {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cache.get(pattern) {
        return Ok(known.clone());
    }
    let regex = RegexBuilder::new(&translate(pattern)).size_limit(SIZE_LIMIT).build().map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("error parsing regexp: {reason}: `{pattern}`")
    })?;
    if cache.len() >= CACHE_SIZE {
        cache.clear();
    }
    // Shared, not cloned: a clone of the expression itself starts without its scratch space.
    let regex = Arc::new(regex);
    cache.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

/// Spells a Go pattern so that Rust's engine reads it as Go would.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    let mut class_start = false;
    while let Some(c) = chars.next() {
        let first_in_class = std::mem::take(&mut class_start);
        match c {
            '\\' => match chars.next() {
                Some('Q') if !in_class => quote_literal(&mut chars, &mut out),
                Some(escaped) => push_escape(&mut out, escaped, in_class),
                None => out.push('\\'),
            },
            '[' if in_class => {
                if chars.peek() == Some(&':') {
                    out.push('['); // a named class, [:alpha:]
                    for c in chars.by_ref() {
                        out.push(c);
                        if c == ']' {
                            break;
                        }
                    }
                } else {
                    out.push_str("\\[");
                }
            }
            '[' => {
                in_class = true;
                class_start = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    chars.next();
                    out.push('^');
                }
            }
            ']' if in_class && first_in_class => out.push_str("\\]"),
            ']' => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && chars.peek() == Some(&'-') => out.push_str("\\-"),
            c => out.push(c),
        }
    }
    out
}

fn quote_literal(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut literal = String::new();
    for c in chars.by_ref() {
        literal.push(c);
        if literal.ends_with("\\E") {
            literal.truncate(literal.len() - 2);
            break;
        }
    }
    out.push_str(&regex::escape(&literal));
}

fn push_escape(out: &mut String, escaped: char, in_class: bool) {
    let ascii = match (escaped, in_class) {
        ('d', true) => "0-9",
        ('d', false) => "[0-9]",
        ('D', _) => "[^0-9]",
        ('w', true) => "0-9A-Za-z_",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', true) => "\\t\\n\\x0C\\r ",
        ('s', false) => "[\\t\\n\\x0C\\r ]",
        ('S', _) => "[^\\t\\n\\x0C\\r ]",
        ('b', false) => "(?-u:\\b)",
        // Rust allows the ASCII form of \B in texts only where it cannot split a character; this one never does.
        ('B', false) => "\\B",
        ('z', false) => "\\z",
        _ => {
            out.push('\\');
            out.push(escaped);
            return;
        }
    };
    out.push_str(ascii);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_patterns() {
        for (pattern, text, matches) in [
            (r"^\d+$", "\u{0661}", false),
            (r"^\w$", "\u{e9}", false),
            (r"^[\d.]+$", "1.5", true),
            (r"^[[a]+$", "[a", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]a]+$", "]", false),
            (r"^[[:alpha:]&&]+$", "a&", true),
            (r"^[a--]$", "-", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"(?i)ABC", "abc", true),
            (r"\bfoo\b", "a foo.", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), matches, "{pattern}");
        }
        assert!(compile("(").unwrap_err().starts_with("error parsing regexp"));
        assert!(compile("a{1000}{1000}{1000}").is_err());
    }
}
