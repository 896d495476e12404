//! `json`: values out of a JSON object by JMESPath expressions. Expressions that are plain paths (`a`, `a."b c"`) are answered
//! in one pass over the text that builds nothing; all others by the crate `jmespath`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use config::promtail::JsonStage;
use gotemplate::Value as GoValue;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::input;
use crate::entry::{Entry, Extract};

/// Bytes that an extracted object or list may have as text.
const MOST_NESTED_TEXT: usize = 4 << 20;

/// The stage.
#[derive(Debug)]
pub(crate) struct JsonStep {
    source: Option<Arc<str>>,
    drop_malformed: bool,
    names: Vec<Arc<str>>,
    paths: Tree,
    expressions: Vec<(usize, jmespath::Expression<'static>)>,
}

/// The plain paths as a tree of keys; a leaf names the extracted values.
#[derive(Debug, Default)]
struct Tree {
    wanted: Vec<usize>,
    children: Vec<(String, Tree)>,
}

impl Tree {
    fn add(&mut self, path: &[String], index: usize) {
        let Some((key, rest)) = path.split_first() else { return self.wanted.push(index) };
        let at = self.children.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            self.children.push((key.clone(), Tree::default()));
            self.children.len() - 1
        });
        self.children[at].1.add(rest, index);
    }
}

impl JsonStep {
    pub(super) fn new(config: &JsonStage) -> Result<Self, String> {
        let mut step = JsonStep {
            source: config.source.as_deref().map(Arc::from),
            drop_malformed: config.drop_malformed,
            names: Vec::new(),
            paths: Tree::default(),
            expressions: Vec::new(),
        };
        for (index, (name, expression)) in config.expressions.iter().enumerate() {
            step.names.push(Arc::from(name.as_str()));
            if let Some(path) = plain_path(expression) {
                step.paths.add(&path, index);
                continue;
            }
            let compiled = jmespath::compile(expression)
                .map_err(|e| format!("could not compile JMES expression {expression:?}: {e}"))?;
            step.expressions.push((index, compiled));
        }
        Ok(step)
    }

    /// False where the line is to be dropped.
    pub(super) fn apply(&self, entry: &mut Entry<'_>) -> bool {
        let Some(text) = input(entry, self.source.as_ref()) else { return true };
        let mut found: Vec<Extract> = vec![Extract::Null; self.names.len()];
        let is_good = self.read(&text, &mut found)
            || (std::str::from_utf8(&text).is_err() && {
                found.fill(Extract::Null);
                self.read(gotemplate::text::lossy(&text).as_bytes(), &mut found)
            });
        if !is_good {
            return !self.drop_malformed;
        }
        for (name, value) in self.names.iter().zip(found) {
            entry.extracted.set(name, value);
        }
        true
    }

    /// False where the text is no JSON object.
    fn read(&self, text: &[u8], found: &mut [Extract]) -> bool {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let top = Top { tree: &self.paths, found };
        if top.deserialize(&mut deserializer).is_err() || deserializer.end().is_err() {
            return false;
        }
        if self.expressions.is_empty() {
            return true;
        }
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let Ok(document) = jmespath::Variable::from_json(text) else { return false };
        let document = jmespath::Rcvar::new(document);
        for (index, expression) in &self.expressions {
            if let Ok(value) = expression.search(document.clone())
                && let Some(value) = extract_of(&serde_json::to_value(&*value).unwrap_or_default())
            {
                found[*index] = value;
            }
        }
        true
    }
}

/// A JSON value as the stage keeps it: objects and lists as Go writes them. `None` where that text is too long.
fn extract_of(value: &serde_json::Value) -> Option<Extract> {
    Some(match value {
        serde_json::Value::Null => Extract::Null,
        serde_json::Value::Bool(value) => Extract::Bool(*value),
        serde_json::Value::Number(number) => Extract::Number(number.as_f64()?),
        serde_json::Value::String(text) => Extract::text(text),
        nested => Extract::text(gotemplate::json::marshal(&GoValue::from_json(nested), MOST_NESTED_TEXT).ok()?),
    })
}

/// `a`, `a.b`, `"a b".c`: the keys. `None` for every other expression.
fn plain_path(expression: &str) -> Option<Vec<String>> {
    let mut path = Vec::new();
    let mut rest = expression.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut end = None;
            let mut escaped = false;
            for (at, c) in quoted.char_indices() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => {
                        end = Some(at);
                        break;
                    }
                    _ => {}
                }
            }
            let end = end?;
            path.push(serde_json::from_str(&rest[..end + 2]).ok()?);
            rest = &quoted[end + 1..];
        } else {
            let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
                return None;
            }
            path.push(rest[..length].to_owned());
            rest = &rest[length..];
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None => return rest.is_empty().then_some(path),
        }
    }
}

/// The document: an object, or null, which has no keys.
struct Top<'t, 'f> {
    tree: &'t Tree,
    found: &'f mut [Extract],
}

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        object(self.tree, self.found, map)
    }
}

fn object<'de, A: MapAccess<'de>>(tree: &Tree, found: &mut [Extract], mut map: A) -> Result<(), A::Error> {
    while let Some(key) = map.next_key_seed(Key)? {
        match tree.children.iter().find(|(name, _)| *name == *key) {
            Some((_, child)) => map.next_value_seed(Node { tree: child, found })?,
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_owned()))
    }
}

/// A value that is wanted, or has wanted ones inside.
struct Node<'t, 'f> {
    tree: &'t Tree,
    found: &'f mut [Extract],
}

impl Node<'_, '_> {
    fn set(self, value: Extract) {
        // An object with the same key twice: Go keeps the last.
        clear(self.tree, self.found);
        for index in &self.tree.wanted {
            self.found[*index] = value.clone();
        }
    }
}

fn clear(tree: &Tree, found: &mut [Extract]) {
    for (_, child) in &tree.children {
        child.wanted.iter().for_each(|index| found[*index] = Extract::Null);
        clear(child, found);
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.set(Extract::Null);
        Ok(())
    }

    fn visit_bool<E>(self, v: bool) -> Result<(), E> {
        self.set(Extract::Bool(v));
        Ok(())
    }

    fn visit_i64<E>(self, v: i64) -> Result<(), E> {
        self.set(Extract::Number(v as f64));
        Ok(())
    }

    fn visit_u64<E>(self, v: u64) -> Result<(), E> {
        self.set(Extract::Number(v as f64));
        Ok(())
    }

    fn visit_f64<E>(self, v: f64) -> Result<(), E> {
        self.set(Extract::Number(v));
        Ok(())
    }

    fn visit_str<E>(self, v: &str) -> Result<(), E> {
        self.set(Extract::text(v));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.tree.wanted.is_empty() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            self.set(Extract::Null);
            return Ok(());
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<serde_json::Value>()? {
            items.push(item);
        }
        self.set(extract_of(&serde_json::Value::Array(items)).unwrap_or(Extract::Null));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        clear(self.tree, self.found);
        if self.tree.wanted.is_empty() {
            return object(self.tree, self.found, map);
        }
        // Wanted whole, and perhaps in parts: rare enough to build it.
        let mut whole = serde_json::Map::new();
        while let Some((key, value)) = map.next_entry::<String, serde_json::Value>()? {
            whole.insert(key, value);
        }
        let whole = serde_json::Value::Object(whole);
        let text = extract_of(&whole).unwrap_or(Extract::Null);
        self.tree.wanted.iter().for_each(|index| self.found[*index] = text.clone());
        parts(self.tree, self.found, &whole);
        Ok(())
    }
}

fn parts(tree: &Tree, found: &mut [Extract], value: &serde_json::Value) {
    for (key, child) in &tree.children {
        let Some(inner) = value.get(key.as_str()) else { continue };
        let extract = extract_of(inner).unwrap_or(Extract::Null);
        child.wanted.iter().for_each(|index| found[*index] = extract.clone());
        parts(child, found, inner);
    }
}
