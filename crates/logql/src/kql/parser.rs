//! Reading a search: one pass over the text, by recursive descent. Every error tells where, and what would be right.
//!
//! The grammar is Kibana's (`kbn-es-query`, `kuery/grammar`), with two liberties: conditions that follow each other without a word
//! between are all meant, and so are words of one value that stand beside each other.

use thiserror::Error;

use super::{FieldName, FieldTest, Glob, Kql};
use crate::syntax::ast::Comparison;

/// Parentheses and `not` within each other.
const MOST_DEPTH: usize = 100;
/// Bytes of a search.
const MOST_BYTES: usize = 32 << 10;

/// A search that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("KQL, character {}: {message}", .at + 1)]
pub struct KqlError {
    /// What is wrong, and what would be right.
    pub message: String,
    /// Characters in front of it.
    pub at: usize,
}

/// Reads a search.
pub fn parse(text: &str) -> Result<Kql, KqlError> {
    if text.len() > MOST_BYTES {
        return Err(KqlError { message: format!("a search has at most {MOST_BYTES} bytes"), at: 0 });
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.blanks();
    if parser.rest().is_empty() {
        return Ok(Kql::All);
    }
    let kql = parser.alternatives(None)?;
    match parser.rest().chars().next() {
        None => Ok(kql),
        Some(')') => Err(parser.error("there is no \"(\" for this \")\"")),
        Some('}') => Err(parser.error("there is no \"{\" for this \"}\"")),
        Some(c) => Err(parser.unexpected(c)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// What conditions without a field of their own are about.
#[derive(Clone, Copy)]
struct Scope<'s> {
    /// `field:( ... )`: values alone are conditions on this field.
    field: Option<&'s FieldName>,
    /// `field:{ ... }`: names are within this one.
    within: Option<&'s str>,
}

/// A piece of text: as it is, or with what escapes and stars mean.
struct Word {
    glob: Glob,
    quoted: bool,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> KqlError {
        KqlError { message: message.into(), at: self.text[..at].chars().count() }
    }

    fn error(&self, message: impl Into<String>) -> KqlError {
        self.error_at(self.at, message)
    }

    fn unexpected(&self, c: char) -> KqlError {
        let advice = match c {
            ':' => {
                "a \":\" stands between a field and its value; put text with \":\" into quotes, as in url:\"http://...\""
            }
            '<' | '>' => "a comparison needs a field in front, as in status >= 500; put text with it into quotes",
            '{' => "\"{\" follows a field and a \":\", as in user:{ id:42 }; put text with it into quotes",
            _ => "expected a field, a value, \"and\", \"or\" or the end",
        };
        self.error(format!("unexpected {c:?}: {advice}"))
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, KqlError>) -> Result<T, KqlError> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.error("parentheses are nested too deeply"));
        }
        let done = inner(self);
        self.depth -= 1;
        done
    }

    /// The next word if it is this one, written bare.
    fn take_operator(&mut self, operator: &str) -> bool {
        let rest = self.rest();
        let Some(word) = rest.get(..operator.len()) else { return false };
        let ends = rest[word.len()..].chars().next().is_none_or(|c| c.is_whitespace() || "()\"{}".contains(c));
        if !word.eq_ignore_ascii_case(operator) || !ends {
            return false;
        }
        self.at += word.len();
        self.blanks();
        true
    }

    fn sees_operator(&mut self, operator: &str) -> bool {
        let at = self.at;
        let is_next = self.take_operator(operator);
        self.at = at;
        is_next
    }

    fn alternatives(&mut self, scope: Option<Scope<'_>>) -> Result<Kql, KqlError> {
        let mut all = vec![self.conjunction(scope)?];
        while self.take_operator("or") {
            all.push(self.conjunction(scope)?);
        }
        Ok(joined(all, Kql::Or))
    }

    fn conjunction(&mut self, scope: Option<Scope<'_>>) -> Result<Kql, KqlError> {
        let mut all = vec![self.condition(scope)?];
        loop {
            let is_said = self.take_operator("and");
            let is_over = self.rest().starts_with([')', '}']) || self.rest().is_empty() || self.sees_operator("or");
            if is_over && !is_said {
                return Ok(joined(all, Kql::And));
            }
            all.push(self.condition(scope)?);
        }
    }

    fn condition(&mut self, scope: Option<Scope<'_>>) -> Result<Kql, KqlError> {
        if self.take_operator("not") {
            return self.nested(|parser| parser.condition(scope)).map(|inner| Kql::Not(Box::new(inner)));
        }
        match self.rest().chars().next() {
            None => return Err(self.error("something is missing here: a field, a value or a text")),
            Some('(') => return self.group(scope),
            Some(')') => return Err(self.error("something is missing in front of \")\"")),
            Some('}') => return Err(self.error("something is missing in front of \"}\"")),
            Some(':') => return Err(self.error("a field is missing in front of \":\"")),
            Some(c @ ('<' | '>' | '{')) => return Err(self.unexpected(c)),
            _ => {}
        }
        for operator in ["and", "or"] {
            if self.sees_operator(operator) {
                return Err(self.error(format!(
                    "something is missing in front of {operator:?}; put it into quotes to look for the word"
                )));
            }
        }
        let first = self.word()?;
        self.blanks();
        if let Some(scope) = scope
            && let Some(field) = scope.field
        {
            if self.rest().starts_with(':') {
                return Err(self.error("within field:( ... ) there are values only"));
            }
            return self.values(first, &mut |glob| is(field.clone(), glob));
        }
        let within = scope.and_then(|scope| scope.within);
        if self.rest().starts_with([':', '<', '>']) {
            let field = self.field(first, within)?;
            return self.test(field);
        }
        if within.is_some() {
            return Err(self.error("within field:{ ... } every value needs a field, as in user:{ id:42 }"));
        }
        self.values(first, &mut |glob| if glob.is_anything() { Kql::All } else { Kql::Text(glob) })
    }

    fn group(&mut self, scope: Option<Scope<'_>>) -> Result<Kql, KqlError> {
        let open = self.at;
        self.at += 1;
        self.blanks();
        let inner = self.nested(|parser| parser.alternatives(scope))?;
        if !self.rest().starts_with(')') {
            return Err(match self.rest().chars().next() {
                None => self.error_at(open, "this \"(\" is never closed"),
                Some(c) => self.unexpected(c),
            });
        }
        self.at += 1;
        self.blanks();
        Ok(inner)
    }

    fn field(&self, word: Word, within: Option<&str>) -> Result<FieldName, KqlError> {
        let mut glob = word.glob;
        if glob.as_text() == Some("") {
            return Err(self.error_at(word.at, "a field has a name"));
        }
        if glob.as_text() == Some("@timestamp") {
            return Err(self.error_at(word.at, "the time is chosen by the range of time, not by a field"));
        }
        if let Some(outer) = within
            && let Some(first) = glob.0.first_mut()
        {
            first.insert_str(0, &format!("{outer}."));
        }
        Ok(FieldName(glob))
    }

    /// What follows the name of a field.
    fn test(&mut self, field: FieldName) -> Result<Kql, KqlError> {
        const COMPARISONS: [(&str, Comparison); 4] = [
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ];
        for (text, comparison) in COMPARISONS {
            if self.rest().starts_with(text) {
                self.at += text.len();
                self.blanks();
                let at = self.at;
                let value = self.value("a number or text to compare with")?;
                let Some(text) = value.glob.as_text() else {
                    return Err(self.error_at(at, "a comparison takes no \"*\""));
                };
                let kql = Kql::Field(field, FieldTest::Compare(comparison, text.to_owned()));
                self.blanks();
                return Ok(kql);
            }
        }
        self.at += 1;
        self.blanks();
        match self.rest().chars().next() {
            Some('(') => self.group(Some(Scope { field: Some(&field), within: None })),
            Some('{') => {
                let Some(name) = field.0.as_text() else {
                    return Err(self.error("\"{\" needs a field without \"*\" in front"));
                };
                let open = self.at;
                self.at += 1;
                self.blanks();
                let inner =
                    self.nested(|parser| parser.alternatives(Some(Scope { field: None, within: Some(name) })))?;
                if !self.rest().starts_with('}') {
                    return Err(match self.rest().chars().next() {
                        None => self.error_at(open, "this \"{\" is never closed"),
                        Some(c) => self.unexpected(c),
                    });
                }
                self.at += 1;
                self.blanks();
                Ok(inner)
            }
            _ => {
                let first = self.value("a value")?;
                if self.rest().starts_with([':', '<', '>']) {
                    return Err(
                        self.error("put a value with \":\", \"<\" or \">\" into quotes, as in url:\"http://...\"")
                    );
                }
                self.blanks();
                self.values(first, &mut |glob| is(field.clone(), glob))
            }
        }
    }

    fn value(&mut self, wanted: &str) -> Result<Word, KqlError> {
        let is_missing = match self.rest().chars().next() {
            None => true,
            Some(c) => "):<>{}(".contains(c),
        };
        if is_missing || self.sees_operator("and") || self.sees_operator("or") {
            return Err(
                self.error(format!("{wanted} is missing here; put signs and the words and, or, not into quotes"))
            );
        }
        self.word()
    }

    /// The first word and those beside it that are no field: all of them are meant.
    fn values(&mut self, first: Word, make: &mut dyn FnMut(Glob) -> Kql) -> Result<Kql, KqlError> {
        let mut all = vec![make(first.glob)];
        let mut before_quoted = first.quoted;
        loop {
            let at = self.at;
            let ends = self.rest().is_empty() || self.rest().starts_with(['(', ')', ':', '<', '>', '{', '}', '"']);
            if ends || before_quoted || ["and", "or", "not"].iter().any(|operator| self.sees_operator(operator)) {
                return Ok(joined(all, Kql::And));
            }
            let word = self.word()?;
            self.blanks();
            if self.rest().starts_with([':', '<', '>']) {
                self.at = at;
                return Ok(joined(all, Kql::And));
            }
            before_quoted = word.quoted;
            all.push(make(word.glob));
        }
    }

    fn word(&mut self) -> Result<Word, KqlError> {
        let at = self.at;
        let quoted = self.rest().starts_with('"');
        let glob = if quoted { Glob::text(self.quoted()?) } else { self.bare()? };
        Ok(Word { glob, quoted, at })
    }

    fn quoted(&mut self) -> Result<String, KqlError> {
        let open = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = open + offset + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 'u')) => text.push(self.unicode(open + offset, &mut chars)?),
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    // As in Kibana, a backslash before anything else is itself.
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.error_at(open, "this quote is never closed"))
    }

    fn unicode(&self, at: usize, chars: &mut impl Iterator<Item = (usize, char)>) -> Result<char, KqlError> {
        let digits: String = chars.take(4).map(|(_, c)| c).collect();
        let code = if digits.len() == 4 { u32::from_str_radix(&digits, 16).ok() } else { None };
        code.and_then(char::from_u32).ok_or_else(|| self.error_at(at, "\\u takes four hexadecimal digits"))
    }

    fn bare(&mut self) -> Result<Glob, KqlError> {
        let start = self.at;
        let mut pieces = vec![String::new()];
        let mut end = self.rest().len();
        let mut chars = self.rest().char_indices();
        let push = |pieces: &mut Vec<String>, c: char| {
            if let Some(last) = pieces.last_mut() {
                last.push(c);
            }
        };
        while let Some((offset, c)) = chars.next() {
            match c {
                c if c.is_whitespace() || "():<>\"{}".contains(c) => {
                    end = offset;
                    break;
                }
                // Several stars are one.
                '*' => {
                    if pieces.len() == 1 || pieces.last().is_some_and(|last| !last.is_empty()) {
                        pieces.push(String::new());
                    }
                }
                '\\' => match chars.next() {
                    Some((_, 't')) => push(&mut pieces, '\t'),
                    Some((_, 'n')) => push(&mut pieces, '\n'),
                    Some((_, 'r')) => push(&mut pieces, '\r'),
                    Some((_, 'u')) => {
                        let c = self.unicode(start + offset, &mut chars)?;
                        push(&mut pieces, c);
                    }
                    Some((_, c)) => push(&mut pieces, c),
                    None => {
                        return Err(
                            self.error_at(start + offset, "a \"\\\" stands in front of a sign; write \\\\ for itself")
                        );
                    }
                },
                c => push(&mut pieces, c),
            }
        }
        self.at = start + end;
        Ok(Glob(pieces))
    }
}

fn is(field: FieldName, glob: Glob) -> Kql {
    if field.0.is_anything() {
        return if glob.is_anything() { Kql::All } else { Kql::Text(glob) };
    }
    let test = if glob.is_anything() { FieldTest::Exists } else { FieldTest::Is(glob) };
    Kql::Field(field, test)
}

/// One is itself; of several, those of the same kind are taken apart.
fn joined(mut all: Vec<Kql>, make: fn(Vec<Kql>) -> Kql) -> Kql {
    if all.len() == 1 {
        return all.remove(0);
    }
    let is_and = matches!(make(Vec::new()), Kql::And(_));
    let mut flat = Vec::with_capacity(all.len());
    for kql in all {
        match kql {
            Kql::And(inner) if is_and => flat.extend(inner),
            Kql::Or(inner) if !is_and => flat.extend(inner),
            other => flat.push(other),
        }
    }
    make(flat)
}
