//! From the tree to plain data: every accessor takes one key, records what is wrong with it, and gives the value or a default,
//! so that one pass finds every error of a file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::Problem;
use crate::expand::{Undefined, expand};
use crate::scalar::{ByteSize, Millis, Secret, Url};
use crate::yaml::{Entry, Node, Position, Value};

/// One file being decoded.
pub(crate) struct Context<'a> {
    pub(crate) file: &'a Path,
    pub(crate) env: &'a Environment,
    /// True where `${NAME}` is text like any other, as in rule files.
    is_literal: bool,
    pub(crate) problems: RefCell<Vec<Problem>>,
    pub(crate) warnings: RefCell<Vec<Problem>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(file: &'a Path, env: &'a Environment) -> Self {
        Context { file, env, is_literal: false, problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// A file in which `${NAME}` is text like any other.
    pub(crate) fn literal(file: &'a Path, nothing: &'a Environment) -> Self {
        Context { is_literal: true, ..Context::new(file, nothing) }
    }

    fn at(&self, at: Position, key: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            key: key.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn problem(&self, at: Position, key: &str, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.at(at, key, message));
    }

    pub(crate) fn warning(&self, at: Position, key: &str, message: impl Into<String>) {
        self.warnings.borrow_mut().push(self.at(at, key, message));
    }

    /// A path relative to the file is made relative to the working directory.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        match self.file.parent() {
            Some(directory) if !path.is_empty() => directory.join(path),
            _ => PathBuf::from(path),
        }
    }

    /// The text of a scalar with `${NAME}` expanded.
    pub(crate) fn text(&self, node: &Node, path: &str) -> Option<String> {
        let raw = self.raw_text(node, path)?;
        if self.is_literal {
            return Some(raw.to_owned());
        }
        match expand(raw, self.env, &|_| false) {
            Ok(text) => Some(text),
            Err(undefined) => {
                self.undefined(node.at, path, &undefined);
                None
            }
        }
    }

    /// The text of a scalar as written.
    pub(crate) fn raw_text<'n>(&self, node: &'n Node, path: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(text) => Some(text),
            Value::Null => Some(""),
            other => {
                self.problem(node.at, path, format!("expected text, found {}", other.kind()));
                None
            }
        }
    }

    pub(crate) fn undefined(&self, at: Position, path: &str, Undefined(name): &Undefined) {
        self.problem(
            at,
            path,
            format!(
                "the environment variable {name} is not set; set it, put it into .env, or write ${{{name}:-default}} \
                 ($${{{name}}} for the literal text)"
            ),
        );
    }

    /// The items of a list, each with its path. Nothing counts as no items.
    pub(crate) fn items<'n>(&self, node: &'n Node, path: &str) -> impl Iterator<Item = (String, &'n Node)> + use<'n> {
        let items: &[Node] = match &node.value {
            Value::Sequence(items) => items,
            Value::Null => &[],
            other => {
                self.problem(node.at, path, format!("expected a list, found {}", other.kind()));
                &[]
            }
        };
        let path = path.to_owned();
        items.iter().enumerate().map(move |(i, item)| (format!("{path}[{i}]"), item))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, node: &Node, path: &str) -> Vec<String> {
        self.items(node, path).filter_map(|(path, item)| self.text(item, &path)).collect()
    }

    /// A mapping whose keys are the user's own.
    pub(crate) fn map<'n>(&self, node: &'n Node, path: &str) -> impl Iterator<Item = (String, &'n Entry)> + use<'n> {
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            other => {
                self.problem(node.at, path, format!("expected a mapping, found {}", other.kind()));
                &[]
            }
        };
        let path = path.to_owned();
        entries.iter().map(move |entry| (join(&path, &entry.key), entry))
    }

    /// A mapping from the user's own keys to texts.
    pub(crate) fn text_map(&self, node: &Node, path: &str) -> BTreeMap<String, String> {
        self.map(node, path).filter_map(|(path, e)| Some((e.key.clone(), self.text(&e.value, &path)?))).collect()
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The keys of one section. Each key that is asked for must be among the known ones given to [`Fields::open`].
pub(crate) struct Fields<'c, 'n> {
    pub(crate) context: &'c Context<'c>,
    pub(crate) at: Position,
    pub(crate) path: String,
    entries: &'n [Entry],
    is_mapping: bool,
    known: &'static [&'static [&'static str]],
}

impl<'c, 'n> Fields<'c, 'n> {
    /// Opens a mapping and reports its unknown keys. What is not a mapping is reported and counts as empty.
    pub(crate) fn open(
        context: &'c Context<'c>,
        node: &'n Node,
        path: impl Into<String>,
        known: &'static [&'static [&'static str]],
    ) -> Self {
        let path = path.into();
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            other => {
                context.problem(node.at, &path, format!("expected a mapping, found {}", other.kind()));
                &[]
            }
        };
        let is_mapping = matches!(node.value, Value::Mapping(_));
        let fields = Fields { context, at: node.at, path, entries, is_mapping, known };
        for entry in entries {
            if !known.iter().any(|group| group.contains(&entry.key.as_str())) {
                let home = crate::load::home_of(&entry.key).filter(|_| !context.is_literal);
                context.problem(entry.key_at, &fields.key(&entry.key), unknown_key(&entry.key, known, home));
            }
        }
        fields
    }

    /// Opens a mapping whose keys stand in a table: these are the known ones.
    pub(crate) fn open_table(
        context: &'c Context<'c>,
        node: &'n Node,
        path: impl Into<String>,
        names: &[&str],
    ) -> Self {
        let path = path.into();
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            other => {
                context.problem(node.at, &path, format!("expected a mapping, found {}", other.kind()));
                &[]
            }
        };
        let is_mapping = matches!(node.value, Value::Mapping(_));
        let fields = Fields { context, at: node.at, path, entries, is_mapping, known: &[] };
        for entry in entries.iter().filter(|entry| !names.contains(&entry.key.as_str())) {
            context.problem(entry.key_at, &fields.key(&entry.key), unknown_key(&entry.key, &[names], None));
        }
        fields
    }

    /// True where the section is what it should be, so that it makes sense to miss a key in it.
    pub(crate) fn is_mapping(&self) -> bool {
        self.is_mapping
    }

    /// The path of a key.
    pub(crate) fn key(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Where a key stands, or the section where it is not given.
    pub(crate) fn place(&self, key: &str) -> Position {
        self.entry(key).map_or(self.at, |entry| entry.value.at)
    }

    /// Records a problem with a key.
    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { self.key(key) };
        self.context.problem(self.place(key), &path, message);
    }

    fn entry(&self, key: &str) -> Option<&'n Entry> {
        let declared = self.known.is_empty() || self.known.iter().any(|group| group.contains(&key));
        debug_assert!(key.is_empty() || declared, "{key} is not declared");
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// True where the key stands in the file, even with nothing after it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The value of a key; `None` where it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !matches!(node.value, Value::Null))
    }

    /// The keys that are given, with their places.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'n str, Position)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), entry.key_at))
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(|node| self.context.text(node, &self.key(key)))
    }

    /// A text, empty where absent.
    pub(crate) fn text_or_empty(&self, key: &str) -> String {
        self.text(key).unwrap_or_default()
    }

    /// A secret, empty where absent.
    pub(crate) fn secret(&self, key: &str) -> Secret {
        Secret::new(self.text_or_empty(key))
    }

    /// A path, made relative to the file.
    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).filter(|path| !path.is_empty()).map(|path| self.context.resolve(&path))
    }

    /// Reads a text by a function that gives `None` where it is not valid; `expected` says what is.
    pub(crate) fn read<T>(&self, key: &str, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(key)?;
        let value = read(&text);
        if value.is_none() {
            self.problem(key, format!("{text:?} is not valid here; expected {expected}"));
        }
        value
    }

    /// `true` or `false`, and the other spellings of YAML 1.1, which Prometheus accepts.
    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        self.read(key, "true or false", |text| match text {
            "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
            "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
            _ => None,
        })
    }

    /// A whole number.
    pub(crate) fn unsigned(&self, key: &str) -> Option<u64> {
        self.read(key, "a whole number, 0 or more", |text| {
            let text = text.replace('_', "");
            match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None => text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten(),
            }
        })
    }

    /// A whole number that may be negative.
    pub(crate) fn signed(&self, key: &str) -> Option<i64> {
        self.read(key, "a whole number", |text| text.replace('_', "").parse().ok())
    }

    /// A number.
    pub(crate) fn float(&self, key: &str) -> Option<f64> {
        self.read(key, "a number", |text| text.replace('_', "").parse().ok().filter(|v: &f64| v.is_finite()))
    }

    /// A duration.
    pub(crate) fn duration(&self, key: &str) -> Option<Millis> {
        let text = self.text(key)?;
        Millis::parse(&text).map_err(|e| self.problem(key, e.to_string())).ok()
    }

    /// A number of bytes with a unit.
    pub(crate) fn byte_size(&self, key: &str) -> Option<ByteSize> {
        self.read(key, "a size with its unit, such as 512KB, 10MB or 1GiB (powers of 1024)", ByteSize::parse)
    }

    /// A URL of one of some schemes, with a host. An error does not quote it, since it may hold a password.
    pub(crate) fn url(&self, key: &str, schemes: &[&str]) -> Option<Url> {
        let text = self.text(key)?;
        let expected = format!("expected {}://host:port/path", schemes[0]);
        let url = Url::parse(&text).map_err(|e| self.problem(key, format!("not a valid URL: {e}; {expected}"))).ok()?;
        if !schemes.contains(&url.as_url().scheme()) {
            self.problem(key, format!("the scheme of the URL must be {}; {expected}", schemes.join(" or ")));
            return None;
        }
        if url.as_url().host_str().is_none_or(str::is_empty) {
            self.problem(key, format!("the URL has no host; {expected}"));
            return None;
        }
        Some(url)
    }

    /// One of several words. The empty text counts as absent.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key).filter(|text| !text.is_empty())?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.problem(key, format!("{text:?} is not valid here; {}", one_of(&text, &words)));
        }
        found.map(|(_, value)| *value)
    }

    /// A list of texts, empty where absent.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        self.get(key).map(|node| self.context.texts(node, &self.key(key))).unwrap_or_default()
    }

    /// A mapping of texts, empty where absent.
    pub(crate) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        self.get(key).map(|node| self.context.text_map(node, &self.key(key))).unwrap_or_default()
    }

    /// A list of sections, decoded one by one. A null item is an error, as in Prometheus.
    pub(crate) fn sections<T>(
        &self,
        key: &str,
        decode: impl Fn(&'c Context<'c>, &'n Node, String) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let mut out = Vec::new();
        for (path, item) in self.context.items(node, &self.key(key)) {
            match item.value {
                Value::Null => self.context.problem(item.at, &path, "empty item; write it out or remove the `-`"),
                _ => out.extend(decode(self.context, item, path)),
            }
        }
        out
    }
}

fn unknown_key(key: &str, known: &[&[&str]], home: Option<&str>) -> String {
    let words: Vec<&str> = known.iter().flat_map(|group| group.iter().copied()).collect();
    let advice = match (nearest(key, &words), home) {
        (_, Some(home)) => format!("it belongs {home}"),
        (Some(word), None) => format!("did you mean `{word}`?"),
        (None, None) => {
            let shown: Vec<_> = words.iter().filter(|word| !crate::load::is_unsupported_discovery(word)).collect();
            let shown: Vec<_> = shown.iter().map(|word| format!("`{word}`")).collect();
            if shown.is_empty() {
                return format!("unknown key `{key}`; there are no keys here");
            }
            format!("allowed here: {}", shown.join(", "))
        }
    };
    format!("unknown key `{key}`; {advice}")
}

/// `expected one of a, b, c`, with a suggestion where one word is near.
pub(crate) fn one_of(given: &str, words: &[&str]) -> String {
    if let [word] = words {
        return format!("expected {word}");
    }
    let expected = format!("expected one of {}", words.join(", "));
    match nearest(given, words) {
        Some(word) => format!("{expected}; did you mean {word}?"),
        None => expected,
    }
}

/// The known word that a person most likely meant: near by edit distance, whatever its case and separators.
pub(crate) fn nearest<'w>(given: &str, words: &[&'w str]) -> Option<&'w str> {
    // Long nonsense is not worth a quadratic comparison.
    if given.len() > 100 {
        return None;
    }
    let plain = |word: &str| word.replace(['-', '_', '.', ' '], "").to_lowercase();
    let given_plain = plain(given);
    let allowed = (given_plain.chars().count() / 3).clamp(1, 3);
    let distance = |word: &str| strsim::damerau_levenshtein(&given_plain, &plain(word));
    words
        .iter()
        .map(|word| (distance(word), *word))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, _)| *d <= allowed)
        .map(|(_, w)| w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_was_meant() {
        let words = ["scrape_interval", "scrape_timeout", "job_name", "scheme"];
        for (given, meant) in [
            ("scrape_intervall", Some("scrape_interval")),
            ("jobName", Some("job_name")),
            ("job-name", Some("job_name")),
            ("shceme", Some("scheme")),
            ("targets", None),
            ("x", None),
        ] {
            assert_eq!(nearest(given, &words), meant, "{given}");
        }
    }
}
