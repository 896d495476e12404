//! The labels of one line on its way through a pipeline: those of the stream, structured metadata, and what parsers found,
//! with Loki's rules of who hides whom. Names and values lie in one buffer that is used again for every line.

use std::ops::Range;

type Span = Range<u32>;

/// Where a label comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// A label of the stream.
    Stream,
    /// Structured metadata.
    Metadata,
    /// Found in the line, or made by a stage.
    Parsed,
}

/// The labels of a stream, ready to be looked at line by line.
#[derive(Clone, Debug)]
pub(crate) struct StreamLabels {
    pub(crate) labels: model::Labels,
}

#[derive(Clone, Debug)]
struct Entry {
    name: Span,
    value: Span,
    /// How the parser that runs, or ran last, found it written.
    key: Option<Span>,
}

/// The name of the label that carries the kind of an error.
pub(crate) const ERROR: &str = "__error__";
/// The name of the label that says what was wrong.
pub(crate) const ERROR_DETAILS: &str = "__error_details__";
/// Says that an error was asked for; set in metric queries that look at `__error__`.
pub(crate) const PRESERVE_ERROR: &str = "__preserve_error__";
/// What is added to a parsed name that the stream has, too.
pub(crate) const DUPLICATE: &str = "_extracted";

/// The labels of one line.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineLabels {
    text: String,
    metadata: Vec<Entry>,
    parsed: Vec<Entry>,
    deleted: Vec<Span>,
    error: Option<&'static str>,
    details: Option<Span>,
    /// An error that came as structured metadata.
    foreign_error: Option<Span>,
}

impl LineLabels {
    /// Forgets the line before.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.metadata.clear();
        self.parsed.clear();
        self.deleted.clear();
        self.error = None;
        self.details = None;
        self.foreign_error = None;
    }

    fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        start..self.text.len() as u32
    }

    fn at(&self, span: &Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn find(&self, entries: &[Entry], name: &str) -> Option<usize> {
        entries.iter().position(|entry| self.at(&entry.name) == name)
    }

    /// True where nothing differs from the labels of the stream.
    pub(crate) fn is_untouched(&self) -> bool {
        self.metadata.is_empty()
            && self.parsed.is_empty()
            && self.deleted.is_empty()
            && !self.has_error()
            && self.details.is_none()
    }

    /// Adds a pair of structured metadata.
    pub(crate) fn add_metadata(&mut self, stream: &StreamLabels, name: &str, value: &str) {
        if name == ERROR {
            self.foreign_error = Some(self.keep(value));
            return;
        }
        if name == ERROR_DETAILS {
            self.details = Some(self.keep(value));
            return;
        }
        let start = self.text.len() as u32;
        self.text.push_str(name);
        if stream.labels.get(name).is_some() {
            self.text.push_str(DUPLICATE);
        }
        let name = start..self.text.len() as u32;
        let value = self.keep(value);
        match self.metadata.iter().position(|entry| self.at(&entry.name) == self.at(&name)) {
            Some(known) => self.metadata[known].value = value,
            None => self.metadata.push(Entry { name, value, key: None }),
        }
    }

    /// A parser begins: what others found stays.
    pub(crate) fn begin_parser(&mut self) {
        self.parsed.iter_mut().for_each(|entry| entry.key = None);
    }

    /// Sets what the parser found, unless another parser, or a field written otherwise, was first.
    pub(crate) fn set_found(&mut self, name: &str, value: &str, key: &str) {
        if let Some(known) = self.find(&self.parsed, name) {
            if self.parsed[known].key.as_ref().is_some_and(|first| self.at(first) == key) {
                self.parsed[known].value = self.keep(value);
            }
            return;
        }
        self.set(name, value);
        let is_plain = key == name;
        let kept = if is_plain { None } else { Some(self.keep(key)) };
        if let Some(entry) = self.parsed.last_mut() {
            entry.key = kept.or_else(|| Some(entry.name.clone()));
        }
    }

    /// True where a stage has set the label.
    pub(crate) fn is_parsed(&self, name: &str) -> bool {
        self.find(&self.parsed, name).is_some()
    }

    /// Sets a label; what came with the stream or the metadata is hidden.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        if let Some(known) = self.find(&self.metadata, name) {
            self.metadata.remove(known);
        }
        let value = self.keep(value);
        match self.find(&self.parsed, name) {
            Some(known) => self.parsed[known].value = value,
            None => {
                let name = self.keep(name);
                self.parsed.push(Entry { name, value, key: None });
            }
        }
    }

    /// Removes a label.
    pub(crate) fn delete(&mut self, name: &str) {
        for found in
            [self.find(&self.metadata, name).map(|at| (0, at)), self.find(&self.parsed, name).map(|at| (1, at))]
        {
            match found {
                Some((0, at)) => drop(self.metadata.remove(at)),
                Some((_, at)) => drop(self.parsed.remove(at)),
                None => {}
            }
        }
        let name = self.keep(name);
        self.deleted.push(name);
    }

    fn is_deleted(&self, name: &str) -> bool {
        self.deleted.iter().any(|deleted| self.at(deleted) == name)
    }

    /// The value of a label; `None` where there is none. The error is no label here.
    pub(crate) fn get<'a>(&'a self, stream: &'a StreamLabels, name: &str) -> Option<&'a str> {
        for entries in [&self.metadata, &self.parsed] {
            if let Some(found) = self.find(entries, name) {
                return Some(self.at(&entries[found].value));
            }
        }
        if self.is_deleted(name) {
            return None;
        }
        stream.labels.get(name)
    }

    /// The kind of the error; blank without one.
    pub(crate) fn error(&self) -> &str {
        match (&self.error, &self.foreign_error) {
            (Some(error), _) => error,
            (None, Some(span)) => self.at(span),
            (None, None) => "",
        }
    }

    /// True where a stage failed.
    pub(crate) fn has_error(&self) -> bool {
        !self.error().is_empty()
    }

    /// What was wrong; blank where nothing is known.
    pub(crate) fn details(&self) -> &str {
        self.details.as_ref().map_or("", |span| self.at(span))
    }

    /// Notes an error.
    pub(crate) fn set_error(&mut self, kind: &'static str, details: Option<&str>) {
        self.error = Some(kind);
        if let Some(details) = details {
            self.details = Some(self.keep(details));
        }
    }

    /// Forgets the kind of the error.
    pub(crate) fn reset_error(&mut self) {
        self.error = None;
        self.foreign_error = None;
    }

    /// Forgets what was wrong.
    pub(crate) fn reset_details(&mut self) {
        self.details = None;
    }

    /// Calls `visit` with every label, the error's too, in no particular order.
    pub(crate) fn each<'a>(&'a self, stream: &'a StreamLabels, visit: &mut impl FnMut(Category, &'a str, &'a str)) {
        for label in &stream.labels {
            let hidden = self.is_deleted(label.name)
                || self.find(&self.metadata, label.name).is_some()
                || self.find(&self.parsed, label.name).is_some();
            if !hidden {
                visit(Category::Stream, label.name, label.value);
            }
        }
        for (category, entries) in [(Category::Metadata, &self.metadata), (Category::Parsed, &self.parsed)] {
            for entry in entries {
                visit(category, self.at(&entry.name), self.at(&entry.value));
            }
        }
        if self.has_error() {
            visit(Category::Parsed, ERROR, self.error());
        }
        if !self.details().is_empty() {
            visit(Category::Parsed, ERROR_DETAILS, self.details());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(labels: &LineLabels, stream: &StreamLabels) -> Vec<(String, String)> {
        let mut all = Vec::new();
        labels.each(stream, &mut |_, name, value| all.push((name.to_owned(), value.to_owned())));
        all.sort();
        all
    }

    #[test]
    fn later_layers_hide_earlier_ones() {
        let stream = StreamLabels { labels: model::Labels::from_pairs([("app", "a"), ("env", "b")]) };
        let mut labels = LineLabels::default();
        labels.add_metadata(&stream, "app", "m");
        labels.add_metadata(&stream, "pod", "p");
        assert_eq!(labels.get(&stream, "app"), Some("a"));
        assert_eq!(labels.get(&stream, "app_extracted"), Some("m"));
        labels.set("pod", "q");
        labels.set("env", "c");
        labels.delete("app");
        labels.set_error("JSONParserErr", Some("why"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let want = [
            pair("__error__", "JSONParserErr"),
            pair("__error_details__", "why"),
            pair("app_extracted", "m"),
            pair("env", "c"),
            pair("pod", "q"),
        ];
        assert_eq!(shown(&labels, &stream), want);
        labels.clear();
        assert!(labels.is_untouched());
        assert_eq!(shown(&labels, &stream).len(), 2);
    }
}
