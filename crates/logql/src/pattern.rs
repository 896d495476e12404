//! Patterns of `| pattern` and `|>`: literal text with `<name>` and `<_>` for what stands between.

use memchr::memmem;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    /// `None` for `<_>`.
    Capture(Option<String>),
}

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

impl Pattern {
    /// A pattern that gives labels. The error is Loki's.
    pub(crate) fn parser(text: &str) -> Result<Self, String> {
        let pattern = Pattern { parts: parts(text) };
        let names: Vec<&str> = pattern.names().collect();
        if pattern.parts.is_empty() {
            return Err("syntax error: unexpected $end, expecting IDENTIFIER or LITERAL".to_owned());
        }
        if names.is_empty() {
            return Err("at least one capture is required".to_owned());
        }
        pattern.check_neighbours()?;
        match names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            Some((_, name)) => Err(format!("duplicate capture name ({name}): invalid expression")),
            None => Ok(pattern),
        }
    }

    /// A pattern that lines are filtered by. The error is Loki's.
    pub(crate) fn filter(text: &str) -> Result<Self, String> {
        let pattern = Pattern { parts: parts(text) };
        pattern.check_neighbours()?;
        if let Some(name) = pattern.names().next() {
            return Err(format!("named captures are not allowed: found '<{name}>'"));
        }
        Ok(pattern)
    }

    fn check_neighbours(&self) -> Result<(), String> {
        let text = |part: &Part| match part {
            Part::Capture(name) => Some(format!("<{}>", name.as_deref().unwrap_or("_"))),
            Part::Literal(_) => None,
        };
        for pair in self.parts.windows(2) {
            if let (Some(first), Some(second)) = (text(&pair[0]), text(&pair[1])) {
                return Err(format!("found consecutive capture '{first}{second}': invalid expression"));
            }
        }
        Ok(())
    }

    /// Names of the captures.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Capture(Some(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Texts that each matching line contains.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(literal) => Some(literal.as_slice()),
            Part::Capture(_) => None,
        })
    }

    /// Gives what each name captures to `visit`. Where the line ends early, the capture takes the rest and those after it
    /// are not given.
    pub(crate) fn captures<'l>(&self, line: &'l [u8], mut visit: impl FnMut(&str, &'l [u8])) {
        if line.is_empty() {
            return;
        }
        let mut rest = line;
        let mut parts = self.parts.as_slice();
        if let [Part::Literal(literal), after @ ..] = parts {
            let Some(tail) = rest.strip_prefix(literal.as_slice()) else { return };
            (rest, parts) = (tail, after);
        }
        while let [Part::Capture(name), after @ ..] = parts {
            let found = match after {
                [Part::Literal(literal), ..] => memmem::find(rest, literal).map(|at| (at, literal.len())),
                _ => None,
            };
            let taken = found.map_or(rest, |(at, _)| &rest[..at]);
            if let Some(name) = name {
                visit(name, taken);
            }
            let Some((at, length)) = found else { return };
            rest = &rest[at + length..];
            parts = &after[1..];
        }
    }

    /// True where the line is the pattern with something in each capture.
    pub(crate) fn is_match(&self, line: &[u8]) -> bool {
        if line.is_empty() || self.parts.is_empty() {
            return line.is_empty() && self.parts.is_empty();
        }
        let mut at = 0;
        for (i, part) in self.parts.iter().enumerate() {
            let Part::Literal(literal) = part else { continue };
            let Some(found) = memmem::find(&line[at..], literal) else { return false };
            if i != 0 && found == 0 {
                return false;
            }
            at += found + literal.len();
        }
        let wants_rest = matches!(self.parts.last(), Some(Part::Capture(_)));
        wants_rest == (at != line.len())
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(name) = capture(rest) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Capture((name != "_").then(|| name.to_owned())));
            rest = &rest[name.len() + 2..];
        } else {
            literal.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

/// The name of the capture at the start of the text.
fn capture(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('<')?;
    let name = &inner[..inner.find('>')?];
    let first = name.bytes().next()?;
    let is_name =
        (first.is_ascii_alphabetic() || first == b'_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(pattern: &str, line: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        Pattern::parser(pattern).expect(pattern).captures(line.as_bytes(), |name, value| {
            all.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
        });
        all
    }

    #[test]
    fn captures_take_what_stands_between() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(captures("<a> <_> <b>", "x y z w"), [pair("a", "x"), pair("b", "z w")]);
        assert_eq!(captures("[<a>] <b>", "[x] y"), [pair("a", "x"), pair("b", "y")]);
        assert_eq!(captures("[<a>] <b>", "x"), []);
        assert_eq!(captures("<a> <b>", "x"), [pair("a", "x")]);
        assert_eq!(Pattern::parser("<_>").unwrap_err(), "at least one capture is required");
        assert_eq!(Pattern::parser("<a><b>").unwrap_err(), "found consecutive capture '<a><b>': invalid expression");
        assert_eq!(Pattern::parser("<a> <a>").unwrap_err(), "duplicate capture name (a): invalid expression");
    }

    #[test]
    fn filters_want_the_whole_line() {
        for (pattern, line, want) in [
            ("<_> bar", "foo bar baz", false),
            ("<_> baz", "foo bar baz", true),
            ("foo <_>", "foo bar baz", true),
            ("<_> bar <_>", " bar ", false),
            ("<_>bar<_>", " bar ", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                Pattern::filter(pattern).expect(pattern).is_match(line.as_bytes()),
                want,
                "{pattern:?} {line:?}"
            );
        }
    }
}
