//! Values at given places of a JSON document, as `json x="a.b[0]"` takes them: one pass over the line for all places, the first
//! of several equal names counts, and what is malformed beside the way does not matter.

use crate::json::{JsonError, JsonKind, JsonValue, block_end, skip_blank, value_at};
use crate::json_text::{string_end, unescape};

/// One step down into a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPart {
    /// Into the value of a name.
    Key(String),
    /// Into an element of an array, from 0.
    Index(usize),
}

/// A place in a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonPath(Vec<PathPart>);

impl JsonPath {
    /// Reads `a.b[0]["c d"]`. The error says what is wrong.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let mut parts = Vec::new();
        let mut rest = trim(text);
        if rest.is_empty() {
            return Err("syntax error: unexpected $end, expecting LSB or FIELD".to_owned());
        }
        while let Some(first) = rest.chars().next() {
            let after = &rest[first.len_utf8()..];
            rest = match first {
                '[' => bracket(trim(after), &mut parts)?,
                '.' if !parts.is_empty() => field(trim(after), &mut parts)?,
                _ if parts.is_empty() => field(rest, &mut parts)?,
                _ => return Err(unexpected(rest, "LSB or DOT")),
            };
            rest = trim(rest);
        }
        Ok(JsonPath(parts))
    }

    /// The steps.
    pub fn parts(&self) -> &[PathPart] {
        &self.0
    }
}

fn trim(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n'])
}

fn unexpected(rest: &str, wanted: &str) -> String {
    match rest.chars().next() {
        None => format!("syntax error: unexpected $end, expecting {wanted}"),
        Some(c @ ('[' | ']' | '.' | '"' | '_')) => format!("syntax error: unexpected {c}, expecting {wanted}"),
        Some(c) if c.is_ascii_alphanumeric() => format!("syntax error: unexpected {c}, expecting {wanted}"),
        Some(c) => format!("unexpected char {c}"),
    }
}

fn field<'a>(rest: &'a str, parts: &mut Vec<PathPart>) -> Result<&'a str, String> {
    let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
        return Err(unexpected(rest, "FIELD"));
    }
    parts.push(PathPart::Key(rest[..length].to_owned()));
    Ok(&rest[length..])
}

fn bracket<'a>(rest: &'a str, parts: &mut Vec<PathPart>) -> Result<&'a str, String> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let end = quoted.find(['"', ']']).ok_or_else(|| unexpected("", "RSB"))?;
        parts.push(PathPart::Key(quoted[..end].to_owned()));
        let rest = trim(&quoted[end + 1..]);
        return rest.strip_prefix(']').ok_or_else(|| unexpected(rest, "RSB"));
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(unexpected(rest, "STRING or INDEX"));
    }
    let (number, rest) = rest.split_at(digits);
    let index = number.parse().map_err(|_| format!("index out of range: {number}"))?;
    parts.push(PathPart::Index(index));
    match rest.chars().next() {
        Some('.') => Err("cannot use float as array index".to_owned()),
        Some(c) if !matches!(c, ' ' | '\t' | '\n' | ']') => Err(format!("non-integer value: {c}")),
        _ => {
            let rest = trim(rest);
            rest.strip_prefix(']').ok_or_else(|| unexpected(rest, "RSB"))
        }
    }
}

/// Gives the value at each of the places, where there is one, to `visit` with the place's index. An error is the last that was
/// met on the way; values around it are given all the same.
pub fn json_paths(
    text: &str,
    paths: &[JsonPath],
    mut visit: impl FnMut(usize, JsonValue<'_>),
) -> Result<(), JsonError> {
    let mut search = Search { paths, found: vec![false; paths.len()], way: Vec::new(), error: None };
    search.run(text, &mut visit);
    search.error.map_or(Ok(()), Err)
}

struct Search<'p> {
    paths: &'p [JsonPath],
    found: Vec<bool>,
    /// The name last read at each level.
    way: Vec<String>,
    error: Option<JsonError>,
}

impl Search<'_> {
    /// Reads the whole text token by token. Gives up silently where it makes no sense.
    fn run(&mut self, text: &str, visit: &mut impl FnMut(usize, JsonValue<'_>)) -> Option<()> {
        let data = text.as_bytes();
        let mut level = 0_usize;
        let mut at = 0;
        while at < data.len() && self.found.contains(&false) {
            match data[at] {
                b'"' => {
                    let (end, escaped) = string_end(data, at + 1)?;
                    let next = skip_blank(data, end + 1)?;
                    if data[next] != b':' {
                        at = next;
                        continue;
                    }
                    if level == 0 {
                        self.error = Some(JsonError::Malformed);
                        return None;
                    }
                    let mut key = String::new();
                    match escaped {
                        true => unescape(&text[at + 1..end], &mut key).ok()?,
                        false => key.push_str(&text[at + 1..end]),
                    }
                    self.way.truncate(level - 1);
                    self.way.resize(level - 1, String::new());
                    self.way.push(key);
                    self.take(text, next + 1, visit);
                    at = next;
                }
                b'{' => level += 1,
                b'}' | b']' => level = level.saturating_sub(1),
                b'[' => {
                    let end = block_end(data, at, b'[', b']')?;
                    self.elements(&text[at..end], level, visit);
                    at = end - 1;
                }
                _ => {}
            }
            at += 1;
        }
        Some(())
    }

    fn take(&mut self, text: &str, from: usize, visit: &mut impl FnMut(usize, JsonValue<'_>)) {
        for (index, path) in self.paths.iter().enumerate() {
            let is_here = path.0.len() == self.way.len() && !self.found[index] && follows(&path.0, &self.way);
            if is_here {
                self.found[index] = true;
                match value_at(text, from) {
                    Ok((value, _)) => visit(index, value),
                    Err(error) => self.error = Some(error),
                }
            }
        }
    }

    fn elements(&mut self, array: &str, level: usize, visit: &mut impl FnMut(usize, JsonValue<'_>)) {
        for (index, path) in self.paths.iter().enumerate() {
            let is_wanted = !self.found[index]
                && matches!(path.0.get(level), Some(PathPart::Index(_)))
                && self.way.len() >= level
                && follows(&path.0[..level], &self.way[..level]);
            if is_wanted {
                let value = JsonValue { raw: array, kind: JsonKind::Array, escaped: false };
                if let Some(value) = descend(value, &path.0[level..]) {
                    self.found[index] = true;
                    visit(index, value);
                }
            }
        }
    }
}

fn follows(path: &[PathPart], way: &[String]) -> bool {
    path.iter().zip(way).all(|(part, name)| matches!(part, PathPart::Key(key) if key == name))
}

fn descend<'a>(value: JsonValue<'a>, path: &[PathPart]) -> Option<JsonValue<'a>> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    let data = value.raw.as_bytes();
    let mut at = skip_blank(data, 1)?;
    match (first, value.kind) {
        (PathPart::Key(wanted), JsonKind::Object) => loop {
            if data[at] != b'"' {
                return None;
            }
            let (end, escaped) = string_end(data, at + 1)?;
            let mut key = String::new();
            match escaped {
                true => unescape(&value.raw[at + 1..end], &mut key).ok()?,
                false => key.push_str(&value.raw[at + 1..end]),
            }
            let colon = skip_blank(data, end + 1).filter(|at| data[*at] == b':')?;
            let (inner, end) = value_at(value.raw, colon + 1).ok()?;
            if key == *wanted {
                return descend(inner, rest);
            }
            at = after_comma(data, end)?;
        },
        (PathPart::Index(wanted), JsonKind::Array) => {
            for _ in 0..*wanted {
                let (_, end) = value_at(value.raw, at).ok()?;
                at = after_comma(data, end)?;
            }
            descend(value_at(value.raw, at).ok()?.0, rest)
        }
        _ => None,
    }
}

fn after_comma(data: &[u8], from: usize) -> Option<usize> {
    let at = skip_blank(data, from).filter(|at| data[*at] == b',')?;
    skip_blank(data, at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str, path: &str) -> Option<String> {
        let mut found = None;
        let path = JsonPath::parse(path).expect("the path is right");
        let _ = json_paths(line, &[path], |_, value| found = Some(value.raw.to_owned()));
        found
    }

    #[test]
    fn values_are_found_by_their_place() {
        let line = r#"{"a":{"b":[{"c":1},{"c":"x"},[7,8]],"d e":{"f":null}},"g":true,"g":false,"h":"{\"a\":1}"}"#;
        for (path, want) in [
            ("a.b[0].c", Some("1")),
            ("a.b[1].c", Some("x")),
            ("a.b[2][1]", Some("8")),
            ("a.b[3]", None),
            ("a[\"d e\"].f", Some("null")),
            ("[\"a\"].b[0]", Some("{\"c\":1}")),
            ("g", Some("true")),
            ("b", None),
            ("h.a", None),
        ] {
            assert_eq!(at(line, path).as_deref(), want, "{path}");
        }
        assert_eq!(at("[1,[2,\"3\"]]", "[1][1]").as_deref(), Some("3"));
    }

    #[test]
    fn wrong_places_are_told() {
        for (path, want) in [
            ("a..b", "syntax error: unexpected ., expecting FIELD"),
            ("a[0.5]", "cannot use float as array index"),
            ("a[x]", "syntax error: unexpected x, expecting STRING or INDEX"),
            ("a-b", "unexpected char -"),
            ("", "syntax error: unexpected $end, expecting LSB or FIELD"),
        ] {
            assert_eq!(JsonPath::parse(path).expect_err(path), want);
        }
    }
}
