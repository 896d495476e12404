//! Stages that take labels from a line.

use std::ops::ControlFlow;

use logfields::{
    JsonError, JsonKind, JsonPath, JsonValue, LogfmtOptions, Scratch, Text, mend, sanitize, string_text, unescape,
};
use regex::bytes::Regex;

use super::hints::Wanted;
use super::labels::{DUPLICATE, LineLabels, PRESERVE_ERROR, StreamLabels};
use crate::pattern::Pattern;
use crate::regexes;
use crate::syntax::ast::{Extraction, Stage};

pub(crate) const JSON_ERROR: &str = "JSONParserErr";
const LOGFMT_ERROR: &str = "LogfmtParserErr";
/// The name under which a packed line has what it was.
const PACKED_LINE: &str = "_entry";

/// A compiled parser.
pub(super) enum Parser {
    Json,
    JsonPaths { names: Vec<String>, paths: Vec<JsonPath> },
    Logfmt(LogfmtOptions),
    LogfmtKeys { strict: bool, keys: Vec<(String, String)> },
    Regexp { regex: Regex, names: Vec<Option<String>> },
    Pattern(Pattern),
    Unpack,
}

impl Parser {
    /// Compiles a parser. The error is Loki's.
    pub(super) fn new(stage: &Stage) -> Result<Self, String> {
        let failed = |extraction: &Extraction, error: String| {
            format!("cannot parse expression [{}]: {error}", extraction.expression)
        };
        Ok(match stage {
            Stage::JsonPaths(extractions) => Parser::JsonPaths {
                names: extractions.iter().map(|extraction| extraction.name.clone()).collect(),
                paths: extractions
                    .iter()
                    .map(|extraction| {
                        JsonPath::parse(&extraction.expression).map_err(|error| failed(extraction, error))
                    })
                    .collect::<Result<_, _>>()?,
            },
            Stage::Logfmt { strict, keep_empty } => {
                Parser::Logfmt(LogfmtOptions { strict: *strict, keep_empty: *keep_empty })
            }
            Stage::LogfmtKeys { strict, extractions, .. } => Parser::LogfmtKeys {
                strict: *strict,
                keys: extractions
                    .iter()
                    .map(|extraction| {
                        let key = logfmt_key(&extraction.expression).map_err(|error| failed(extraction, error))?;
                        Ok::<_, String>((extraction.name.clone(), key))
                    })
                    .collect::<Result<_, _>>()?,
            },
            Stage::Regexp(pattern) => {
                let regex = regexes::named(pattern)?;
                let names =
                    regex.capture_names().map(|name| name.map(sanitize).filter(|name| !name.is_empty())).collect();
                Parser::Regexp { regex, names }
            }
            Stage::Pattern(pattern) => Parser::Pattern(Pattern::parser(pattern)?),
            Stage::Unpack => Parser::Unpack,
            _ => Parser::Json,
        })
    }

    /// Takes labels from the line. A packed line is given back as it was.
    pub(super) fn run(
        &self,
        line: &[u8],
        stream: &StreamLabels,
        labels: &mut LineLabels,
        wanted: &Wanted,
        scratch: &mut Scratch,
    ) -> Option<Vec<u8>> {
        let mut found = Found::new(stream, labels, wanted);
        if found.has_all() {
            return None;
        }
        match self {
            Parser::Json => {
                let done = logfields::json_fields(line, scratch, |field| found.add(field.name, field.value, field.key));
                if let Err(error) = done {
                    fail(labels, wanted, JSON_ERROR, Some(&error.to_string()));
                }
            }
            Parser::Logfmt(options) => {
                let done = logfields::logfmt_fields(line, *options, scratch, |field| {
                    found.add(field.name, field.value, field.key)
                });
                if let Err(error) = done {
                    fail(labels, wanted, LOGFMT_ERROR, Some(&error.to_string()));
                }
            }
            Parser::Regexp { regex, names } => {
                let captures = regex.captures(line)?;
                for (name, group) in names.iter().zip(captures.iter()) {
                    if let Some(name) = name {
                        let _ = found.add_bytes(name, group.map_or(&b""[..], |group| group.as_bytes()));
                    }
                }
            }
            Parser::Pattern(pattern) => pattern.captures(line, |name, value| {
                let _ = found.add_bytes(name, value);
            }),
            Parser::JsonPaths { names, paths } => json_paths(line, names, paths, stream, labels, wanted),
            Parser::LogfmtKeys { strict, keys } => logfmt_keys(line, *strict, keys, stream, labels, wanted),
            Parser::Unpack => return unpack(line, stream, labels, wanted),
        }
        None
    }
}

fn fail(labels: &mut LineLabels, wanted: &Wanted, kind: &'static str, details: Option<&str>) {
    labels.set_error(kind, details);
    if wanted.preserves_error() {
        labels.set(PRESERVE_ERROR, "true");
    }
}

/// Files what a parser finds.
struct Found<'a> {
    stream: &'a StreamLabels,
    labels: &'a mut LineLabels,
    wanted: &'a Wanted,
    name: String,
}

impl<'a> Found<'a> {
    fn new(stream: &'a StreamLabels, labels: &'a mut LineLabels, wanted: &'a Wanted) -> Self {
        labels.begin_parser();
        Found { stream, labels, wanted, name: String::new() }
    }

    fn has_all(&self) -> bool {
        match self.wanted {
            Wanted::All => false,
            Wanted::Nothing => true,
            Wanted::Only(names) => names.iter().all(|name| self.labels.is_parsed(name)),
        }
    }

    fn add(&mut self, name: &str, value: &str, key: &str) -> ControlFlow<()> {
        let name = if self.stream.labels.get(name).is_some() {
            self.name.clear();
            self.name.push_str(name);
            self.name.push_str(DUPLICATE);
            self.name.as_str()
        } else {
            name
        };
        if let Wanted::Only(names) = self.wanted {
            if !names.iter().any(|wanted| wanted == name) || self.labels.is_parsed(name) {
                return ControlFlow::Continue(());
            }
            self.labels.set(name, value);
            return if self.has_all() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        self.labels.set_found(name, value, key);
        ControlFlow::Continue(())
    }

    fn add_bytes(&mut self, name: &str, value: &[u8]) -> ControlFlow<()> {
        let text = Text::of(value);
        self.add(name, mend(&text.text, &mut String::new()), name)
    }
}

fn json_paths(
    line: &[u8],
    names: &[String],
    paths: &[JsonPath],
    stream: &StreamLabels,
    labels: &mut LineLabels,
    wanted: &Wanted,
) {
    match line.first() {
        None => return,
        Some(b'"' | b'{' | b'[') => {}
        Some(_) => return fail(labels, wanted, JSON_ERROR, None),
    }
    let text = Text::of(line);
    let (mut matches, mut buffer) = (0, String::new());
    let done = logfields::json_paths(&text.text, paths, |index, value| {
        matches += 1;
        let suffix = if stream.labels.get(&names[index]).is_some() { DUPLICATE } else { "" };
        let name = format!("{}{suffix}", names[index]);
        buffer.clear();
        match value.kind {
            JsonKind::Object => labels.set(&name, mend(value.raw, &mut buffer)),
            JsonKind::Array => {
                let value = if unescape(value.raw, &mut buffer).is_ok() { buffer.as_str() } else { "" };
                labels.set(&name, value);
            }
            _ => labels.set(&name, string_text(value, text.damaged, &mut buffer)),
        }
    });
    if let Err(error) = done {
        fail(labels, wanted, JSON_ERROR, Some(&error.to_string()));
    }
    if matches < names.len() {
        for name in names {
            if labels.get(stream, name).is_none() {
                labels.set(name, "");
            }
        }
    }
}

/// The key that an expression of `| logfmt x="key"` means.
fn logfmt_key(expression: &str) -> Result<String, String> {
    let text = expression.trim_matches([' ', '\t', '\n']);
    if let Some(quoted) = text.strip_prefix('"') {
        return Ok(quoted.split(['"', ']']).next().unwrap_or("").to_owned());
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match text.chars().find(|c| !is_name(*c)) {
        Some(c) => Err(format!("unexpected char {c}")),
        None if text.is_empty() => Err("syntax error: unexpected $end, expecting STRING or KEY".to_owned()),
        None if text.starts_with(|c: char| c.is_ascii_digit()) => Err(format!("unexpected char {}", &text[..1])),
        None => Ok(text.to_owned()),
    }
}

fn logfmt_keys(
    line: &[u8],
    strict: bool,
    keys: &[(String, String)],
    stream: &StreamLabels,
    labels: &mut LineLabels,
    wanted: &Wanted,
) {
    for (name, _) in keys {
        if stream.labels.get(name).is_none() {
            labels.set(name, "");
        }
    }
    let text = Text::of(line);
    let mut pairs = logfields::pairs(&text.text);
    let mut buffer = String::new();
    loop {
        let (key, value) = match pairs.next_pair(&mut buffer) {
            Ok(Some(pair)) => pair,
            Ok(None) => return,
            Err(_) if !strict => continue,
            Err(error) => return fail(labels, wanted, LOGFMT_ERROR, Some(&error.to_string())),
        };
        let key = sanitize(key);
        let value = if value.contains(char::REPLACEMENT_CHARACTER) { "" } else { value };
        let is_renamed = keys.iter().any(|(_, original)| *original == key);
        for (name, original) in keys {
            if *original == key || !is_renamed && *name == key {
                match stream.labels.get(name).is_some() {
                    true => labels.set(&format!("{name}{DUPLICATE}"), value),
                    false => labels.set(name, value),
                }
            }
        }
    }
}

fn unpack(line: &[u8], stream: &StreamLabels, labels: &mut LineLabels, wanted: &Wanted) -> Option<Vec<u8>> {
    match line.first() {
        None => return None,
        Some(b'{') => {}
        Some(_) => {
            fail(labels, wanted, JSON_ERROR, Some("expecting json object(6), but it is not"));
            return None;
        }
    }
    let text = Text::of(line);
    let (mut packed, mut pairs) = (None, Vec::new());
    let done = logfields::json_object(&text.text, |key, value: JsonValue<'_>| {
        if value.kind != JsonKind::String {
            return Ok::<_, JsonError>(ControlFlow::Continue(()));
        }
        let mut buffer = String::new();
        if key == PACKED_LINE {
            unescape(value.raw, &mut buffer)?;
            packed = Some(buffer);
        } else {
            let value = string_text(value, text.damaged, &mut buffer).to_owned();
            pairs.push((key.to_owned(), value));
        }
        Ok(ControlFlow::Continue(()))
    });
    if let Err(error) = done {
        fail(labels, wanted, JSON_ERROR, Some(&error.to_string()));
        return None;
    }
    let packed = packed?;
    let mut found = Found::new(stream, labels, wanted);
    for (key, value) in pairs {
        let name = sanitize(&key);
        if !name.is_empty() {
            let _ = found.add(&name, &value, &key);
        }
    }
    Some(packed.into_bytes())
}
