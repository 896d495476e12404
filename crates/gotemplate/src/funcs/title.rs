//! Upper, lower and title case as Go maps them: one character to one, whatever stands around it.

/// `strings.ToUpper`.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(upper_char).collect()
}

/// `strings.ToLower`.
pub(super) fn lower(text: &str) -> String {
    text.chars().map(lower_char).collect()
}

/// `strings.Title`, which Loki has from sprig: every letter at the start of a word, where anything but letters, digits and
/// underscores ends a word.
pub(super) fn simple_title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    for c in text.chars() {
        if is_separator(previous) {
            out.push(upper_char(c))
        } else {
            out.push(c)
        }
        previous = c;
    }
    out
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_alphanumeric() && c != '_';
    }
    !c.is_alphanumeric() && c.is_whitespace()
}

/// `cases.Title` of golang.org/x/text, which follows Unicode's words: an apostrophe or a point inside a word does not end
/// it. Alertmanager writes the rest of a word in lower case, Prometheus leaves it.
pub(super) fn word_title(text: &str, lower_rest: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    let mut was_middle = false;
    for c in text.chars() {
        let middle = matches!(c, '\'' | '.' | ':' | '\u{b7}' | '\u{2018}' | '\u{2019}' | '\u{2024}' | '\u{2027}');
        let part = c.is_alphanumeric() || c == '_' || is_mark(c);
        if !part && !middle || middle && was_middle {
            in_word = false;
        }
        if c.is_lowercase() || c.is_uppercase() {
            match (in_word, lower_rest) {
                (false, _) => out.push(upper_char(c)),
                (true, true) => out.push(lower_char(c)),
                (true, false) => out.push(c),
            }
            in_word = true;
        } else {
            out.push(c);
        }
        was_middle = middle;
    }
    out
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{200d}')
}

/// Upper case, but for the few letters that would become several.
fn upper_char(c: char) -> char {
    let mut upper = c.to_uppercase();
    if upper.len() == 1 { upper.next().unwrap_or(c) } else { c }
}

fn lower_char(c: char) -> char {
    // The one letter whose lower case is two: a dotted capital I.
    c.to_lowercase().next().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        assert_eq!(upper("stra\u{df}e \u{1c6}"), "STRA\u{df}E \u{1c4}");
        assert_eq!(lower("\u{c4}\u{130}\u{391}\u{3a3}"), "\u{e4}i\u{3b1}\u{3c3}");
        assert_eq!(simple_title("hello world-x y_z don't \u{e9}t\u{e9}"), "Hello World-X Y_z Don'T \u{c9}t\u{e9}");
        assert_eq!(word_title("hello WORLD-x y_z don't a.b a. b", true), "Hello World-X Y_z Don't A.b A. B");
        assert_eq!(word_title("hello WORLD fooBAR", false), "Hello WORLD FooBAR");
    }
}
