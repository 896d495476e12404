//! YAML as a tree in which every node knows its place, and scalars keep the text that was written.
//!
//! A decoder that deserializes straight into structs stops at its first error and has lost `1.10` to `1.1`; the tree lets
//! one load report all errors, each with its line, and lets `${NAME}` be expanded inside values without touching structure.
//! Aliases, merge keys (`<<`) and duplicate keys are dealt with here.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

/// Nodes of one file after aliases are copied in: a bound against exponential aliases, far above any real file.
const MAX_NODES: usize = 1_000_000;

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key with its place, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Position,
    pub(crate) value: Node,
}

impl Value {
    /// The kind, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Scalar(_) => "a scalar",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Something wrong with the YAML itself.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) at: Position,
    pub(crate) message: String,
}

/// A parsed file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The first document; `None` where the file is empty.
    pub(crate) root: Option<Node>,
    /// Errors after which reading could go on: duplicate keys, unknown tags.
    pub(crate) errors: Vec<YamlError>,
    /// Where a second document starts, which Prometheus ignores.
    pub(crate) second_document: Option<Position>,
}

/// Parses YAML text. An error is one after which the rest of the file cannot be understood.
pub(crate) fn parse(text: &str) -> Result<Document, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = granit_parser::options! { emit_comments: false };
    let mut tree = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        errors: Vec::new(),
    };
    let mut document = Document::default();
    let mut documents = 0;
    loop {
        let (event, span) = tree.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(..) => {
                documents += 1;
                if documents == 2 {
                    document.second_document = Some(position(&span));
                    break;
                }
            }
            Event::StreamStart | Event::DocumentEnd => {}
            event => document.root = Some(tree.node(event, &span)?),
        }
    }
    document.errors = tree.errors;
    Ok(document)
}

struct Builder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    errors: Vec<YamlError>,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(e)) => Err(YamlError {
                at: Position { line: e.marker().line().max(1), column: e.marker().col() + 1 },
                message: format!("this is not YAML: {}", e.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Node, YamlError> {
        let at = position(span);
        self.count(at, 1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref(), at), anchor),
            Event::SequenceStart(_, anchor, _) => (Value::Sequence(self.items()?), anchor),
            Event::MappingStart(_, anchor, _) => (Value::Mapping(self.entries()?), anchor),
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor) else {
                    return Err(YamlError { at, message: "an alias inside the value that it names".into() });
                };
                let copy = Node { at, value: target.value.clone() };
                self.count(at, size(&copy))?;
                return Ok(copy);
            }
            other => return Err(YamlError { at, message: format!("unexpected {other:?}") }),
        };
        let node = Node { at, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Value {
        if let Some(tag) = tag
            && !["str", "int", "float", "bool", "null"].iter().any(|core| tag.is_yaml_core_schema_tag(core))
        {
            self.errors
                .push(YamlError { at, message: format!("the tag {tag} is not supported; write the value as text") });
        }
        let plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| tag.is_yaml_core_schema_tag("null"));
        match text {
            "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
            text => Value::Scalar(text.to_owned()),
        }
    }

    fn items(&mut self) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, &span)?),
            }
        }
    }

    fn entries(&mut self) -> Result<Vec<Entry>, YamlError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut merges = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, &span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span)?;
            if is_merge {
                merges.push(value);
                continue;
            }
            let key_text = match key.value {
                Value::Scalar(text) => text,
                Value::Null => "null".into(),
                other => {
                    let message = format!("a key must be a scalar, not {}", other.kind());
                    self.errors.push(YamlError { at: key.at, message });
                    continue;
                }
            };
            match lines.get(&key_text) {
                Some(line) => {
                    let message = format!("the key `{key_text}` is already given in line {line}");
                    self.errors.push(YamlError { at: key.at, message });
                }
                None => {
                    lines.insert(key_text.clone(), key.at.line);
                    entries.push(Entry { key: key_text, key_at: key.at, value });
                }
            }
        }
        for merge in merges {
            self.merge(&mut entries, merge)?;
        }
        Ok(entries)
    }

    /// Adds what `<<` brings and the mapping itself does not say.
    fn merge(&mut self, entries: &mut Vec<Entry>, merge: Node) -> Result<(), YamlError> {
        match merge.value {
            Value::Mapping(merged) => {
                for entry in merged {
                    if !entries.iter().any(|known| known.key == entry.key) {
                        self.count(merge.at, 1)?;
                        entries.push(entry);
                    }
                }
            }
            Value::Sequence(items) => {
                for item in items {
                    self.merge(entries, item)?;
                }
            }
            other => {
                let message = format!("`<<` needs a mapping or a list of mappings, not {}", other.kind());
                self.errors.push(YamlError { at: merge.at, message });
            }
        }
        Ok(())
    }

    fn count(&mut self, at: Position, more: usize) -> Result<(), YamlError> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(YamlError { at, message: format!("more than {MAX_NODES} values, aliases included") });
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar(_) => 1,
        Value::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|entry| size(&entry.value)).sum::<usize>(),
    }
}

fn position(span: &Span) -> Position {
    Position { line: span.start.line().max(1), column: span.start.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".into(),
            Value::Scalar(text) => format!("{text:?}"),
            Value::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            Value::Mapping(entries) => {
                let shown = entries.iter().map(|e| format!("{}={}", e.key, show(&e.value)));
                format!("{{{}}}", shown.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn keeps_text_and_place() {
        let document = parse("a: 1.10\nb:\n  - 'null'\n  - ~\n").unwrap();
        let root = document.root.unwrap();
        assert_eq!(show(&root), r#"{a="1.10" b=["null" null]}"#);
        let Value::Mapping(entries) = &root.value else { panic!() };
        assert_eq!(entries[1].key_at, Position { line: 2, column: 1 });
        let Value::Sequence(items) = &entries[1].value.value else { panic!() };
        assert_eq!(items[0].at, Position { line: 3, column: 5 });
    }

    #[test]
    fn copies_aliases_and_merges() {
        let document = parse("base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\ntwo: *b\n").unwrap();
        assert_eq!(show(&document.root.unwrap()), r#"{base={x="1" y="2"} one={y="3" x="1"} two={x="1" y="2"}}"#);
    }

    #[test]
    fn reports_what_it_refuses() {
        let document = parse("a: 1\nb: 2\na: 3\nc: !!binary aGk=\n").unwrap();
        let errors: Vec<_> = document.errors.iter().map(|e| (e.at.line, e.message.as_str())).collect();
        assert_eq!(errors[0], (3, "the key `a` is already given in line 1"));
        assert_eq!(errors[1].0, 4);
        assert_eq!(parse("a: [1,\nb: 2\n").unwrap_err().at.line, 1);
        assert!(parse("").unwrap().root.is_none() && parse("# nothing\n").unwrap().root.is_none());
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap().second_document.unwrap().line, 2);
    }

    #[test]
    fn aliases_cannot_explode() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let alias = format!("*a{}", i - 1);
            text += &format!("a{i}: &a{i} [{}]\n", [alias.as_str(); 9].join(", "));
        }
        assert!(parse(&text).unwrap_err().message.contains("aliases included"));
    }
}
