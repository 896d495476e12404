//! The selectors of `match` stages: label matchers and line filters, the part of LogQL that Promtail reads:
//! `{app="x", env=~"a|b"} |= "text" != "other" |~ "re" !~ "re"`.

use std::borrow::Cow;

use memchr::memmem::Finder;
use model::{Labels, MatchOp, Matcher};
use regex::bytes::Regex;

use super::patterns::{as_go_sees, compile};
use crate::entry::Entry;

/// A compiled selector.
#[derive(Debug)]
pub struct Selector {
    matchers: Vec<Matcher>,
    filters: Vec<Filter>,
}

#[derive(Debug)]
enum Filter {
    Contains(Box<Finder<'static>>, bool),
    Matches(Regex, bool),
}

impl Selector {
    /// Reads a selector. The error says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let mut selector = Selector { matchers: Vec::new(), filters: Vec::new() };
        reader.expect("{")?;
        while !reader.take("}") {
            if !selector.matchers.is_empty() {
                reader.expect(",")?;
                if reader.take("}") {
                    break;
                }
            }
            selector.matchers.push(reader.matcher()?);
        }
        if selector.matchers.is_empty() {
            return Err("at least one label matcher is needed".into());
        }
        loop {
            reader.skip_blanks();
            if reader.rest().is_empty() {
                return Ok(selector);
            }
            let filter = if reader.take("|=") {
                Filter::Contains(finder(&reader.quoted()?), true)
            } else if reader.take("!=") {
                Filter::Contains(finder(&reader.quoted()?), false)
            } else if reader.take("|~") {
                Filter::Matches(line_regex(&reader.quoted()?)?, true)
            } else if reader.take("!~") {
                Filter::Matches(line_regex(&reader.quoted()?)?, false)
            } else {
                return Err(reader.unexpected("|=, !=, |~, !~ or the end"));
            };
            selector.filters.push(filter);
        }
    }

    /// True where the entry's labels and line satisfy all of it.
    pub fn matches(&self, entry: &Entry<'_>) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(entry.labels.get(&matcher.name).unwrap_or_default()))
            && self.filters.iter().all(|filter| match filter {
                Filter::Contains(finder, wanted) => finder.find(&entry.line).is_some() == *wanted,
                Filter::Matches(regex, wanted) => regex.is_match(&as_go_sees(Cow::Borrowed(&entry.line))) == *wanted,
            })
    }
}

/// Reads the labels of a stream as clients of Loki send them: `{app="x", env="y"}`.
pub fn parse_labels(text: &str) -> Result<Labels, String> {
    let mut reader = Reader { text, at: 0 };
    let mut builder = Labels::empty().to_builder();
    reader.expect("{")?;
    let mut count = 0;
    while !reader.take("}") {
        if count > 0 {
            reader.expect(",")?;
            if reader.take("}") {
                break;
            }
        }
        let matcher = reader.matcher()?;
        if matcher.op != MatchOp::Equal {
            return Err(format!("the label {} must be set with =", matcher.name));
        }
        builder.set(&matcher.name, &matcher.value);
        count += 1;
    }
    reader.skip_blanks();
    if reader.rest().is_empty() { Ok(builder.build()) } else { Err(reader.unexpected("the end")) }
}

fn finder(text: &str) -> Box<Finder<'static>> {
    Box::new(Finder::new(text.as_bytes()).into_owned())
}

/// LogQL's line patterns let `.` match newlines.
fn line_regex(pattern: &str) -> Result<Regex, String> {
    compile(&format!("(?s){pattern}"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_blanks();
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(token)) }
    }

    fn unexpected(&self, expected: &str) -> String {
        let found: String = self.rest().chars().take(12).collect();
        let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
        format!("at column {}: expected {expected}, found {found}", self.text[..self.at].chars().count() + 1)
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        self.skip_blanks();
        let length = self.rest().bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if length == 0 || self.rest().as_bytes()[0].is_ascii_digit() {
            return Err(self.unexpected("a label name"));
        }
        let name = &self.rest()[..length];
        self.at += length;
        let op = if self.take("=~") {
            MatchOp::Regex
        } else if self.take("!~") {
            MatchOp::NotRegex
        } else if self.take("!=") {
            MatchOp::NotEqual
        } else if self.take("=") {
            MatchOp::Equal
        } else {
            return Err(self.unexpected("=, !=, =~ or !~"));
        };
        Matcher::new(name, op, self.quoted()?).map_err(|e| e.to_string())
    }

    /// `"..."` with Go's escapes, or a text between backticks.
    fn quoted(&mut self) -> Result<String, String> {
        self.skip_blanks();
        if let Some(raw) = self.rest().strip_prefix('`') {
            let end = raw.find('`').ok_or_else(|| self.unexpected("a closing `"))?;
            self.at += end + 2;
            return Ok(raw[..end].to_owned());
        }
        let Some(inner) = self.rest().strip_prefix('"') else { return Err(self.unexpected("a quoted text")) };
        let mut out = String::new();
        let mut chars = inner.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 2;
                    return Ok(out);
                }
                '\\' => {
                    let Some((_, escape)) = chars.next() else { break };
                    out.push(match escape {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'v' => '\u{b}',
                        '\\' | '"' | '\'' => escape,
                        'x' => hexadecimal(&mut chars, 2).ok_or("\\x needs two hexadecimal digits")?,
                        'u' => hexadecimal(&mut chars, 4).ok_or("\\u needs four hexadecimal digits")?,
                        other => return Err(format!("unknown escape \\{other}; write \\\\{other} or use backticks")),
                    });
                }
                c => out.push(c),
            }
        }
        Err(self.unexpected("a closing \""))
    }
}

fn hexadecimal(chars: &mut std::str::CharIndices<'_>, digits: usize) -> Option<char> {
    let mut value = 0;
    for _ in 0..digits {
        value = value * 16 + chars.next()?.1.to_digit(16)?;
    }
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::BaseLabels;

    fn matches(selector: &str, line: &str) -> bool {
        let base = BaseLabels::new([("app", "web"), ("env", "prod")]);
        Selector::parse(selector).unwrap().matches(&Entry::new(&base, 0, line.as_bytes(), 0))
    }

    #[test]
    fn matches_labels_and_lines() {
        assert!(matches(r#"{app="web", env=~"pr.*"}"#, ""));
        assert!(matches("{ app = `web` , }  # comment\n |= \"a\\tb\" !~ `x+`", "1 a\tb"));
        assert!(!matches(r#"{app="web"} |= "GET" != "200""#, "GET /x 200"));
        assert!(matches(r#"{nope=""} |~ "(?i)get.*5""#, "Get /\n 500"));
        assert!(!matches(r#"{app!="web"}"#, "x"));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, reason) in [
            ("", "at column 1: expected {, found the end"),
            ("{}", "at least one label matcher is needed"),
            ("{a=\"b\"", "at column 7: expected ,, found the end"),
            ("{a=b}", "at column 4: expected a quoted text, found \"b}\""),
            ("{a=\"b\"} | json", "at column 9: expected |=, !=, |~, !~ or the end, found \"| json\""),
            ("{a=\"b\\d\"}", "unknown escape \\d; write \\\\d or use backticks"),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err(), reason, "{text}");
        }
    }

    #[test]
    fn mutated_selectors_never_panic() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let base = r#"{app="w\x41\u00e9", env=~"a|b", c!~`x`} |= "a" != `b` |~ "c\n" !~ "d" # end"#;
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..5000 {
            let mut bytes = base.as_bytes().to_vec();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = Selector::parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
