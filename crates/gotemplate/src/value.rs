//! What a template computes with: [`Value`], its lists and maps with their static element types, and [`Object`], the door
//! through which other crates show their own types with fields and methods.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use crate::Text;
use crate::funcs::Function;
use crate::time::Time;
use crate::types::{IntKind, SafeKind, Type, UintKind};

/// Lists and maps nested deeper than this are refused, so that walking a value cannot exhaust the stack.
pub const MAX_VALUE_DEPTH: u32 = 100;

/// A value. Cloning is cheap: whatever is large is shared.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value: a nil interface, or what a missing key yields.
    Nil,
    /// `bool`.
    Bool(bool),
    /// A signed integer.
    Int(i64, IntKind),
    /// An unsigned integer.
    Uint(u64, UintKind),
    /// `float64`.
    Float(f64),
    /// `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// `string`.
    Str(Text),
    /// A string that html/template trusts.
    Safe(SafeKind, Text),
    /// A slice.
    List(Arc<List>),
    /// A map with string keys.
    Map(Arc<Map>),
    /// `time.Time`.
    Time(Time),
    /// `time.Duration` in nanoseconds.
    Duration(i64),
    /// A constant of a named integer type that prints as its name: `time.March`.
    Constant(Constant),
    /// A function value, for `call`.
    Func(Arc<Function>),
    /// Another crate's type.
    Object(Arc<dyn Object>),
}

/// A value of a named integer type with a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The type, `time.Month`.
    pub type_name: &'static str,
    /// The number.
    pub value: i64,
    /// What it prints as.
    pub text: &'static str,
}

/// A slice: elements of one static type.
#[derive(Clone, Debug)]
pub struct List {
    element: Type,
    items: Vec<Value>,
    depth: u32,
}

/// A map from strings, in key order.
#[derive(Clone, Debug)]
pub struct Map {
    element: Type,
    entries: BTreeMap<Text, Value>,
    depth: u32,
}

impl List {
    /// A list whose elements all have the given static type.
    pub fn new(element: Type, items: Vec<Value>) -> Self {
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
        List { element, items, depth }
    }

    /// The static type of the elements.
    pub fn element(&self) -> &Type {
        &self.element
    }

    /// The elements.
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Map {
    /// A map whose values all have the given static type.
    pub fn new(element: Type, entries: impl IntoIterator<Item = (Text, Value)>) -> Self {
        let entries: BTreeMap<Text, Value> = entries.into_iter().collect();
        let depth = 1 + entries.values().map(Value::depth).max().unwrap_or(0);
        Map { element, entries, depth }
    }

    /// The static type of the values.
    pub fn element(&self) -> &Type {
        &self.element
    }

    /// The entries in key order.
    pub fn entries(&self) -> &BTreeMap<Text, Value> {
        &self.entries
    }

    /// The value of a key; for a missing one the zero value of the static type, as `missingkey=zero` asks.
    pub fn get(&self, key: &[u8]) -> Value {
        match self.entries.get(&Text::from(key)) {
            Some(value) => value.clone(),
            None => Value::zero(&self.element),
        }
    }
}

/// What an [`Object`] is underneath: a Go struct, slice or map type with methods.
pub enum Shape {
    /// A struct and its exported fields in order.
    Struct(Vec<Field>),
    /// A named slice type.
    List(Arc<List>),
    /// A named map type.
    Map(Arc<Map>),
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in templates.
    pub name: &'static str,
    /// Its name in JSON.
    pub json: &'static str,
    /// Its value.
    pub value: Value,
    /// True where its static type is `interface {}`.
    pub interface: bool,
}

impl Field {
    /// A field whose JSON name is its name.
    pub fn new(name: &'static str, value: impl Into<Value>) -> Self {
        Field { name, json: name, value: value.into(), interface: false }
    }

    /// A field with a JSON name.
    pub fn tagged(name: &'static str, json: &'static str, value: impl Into<Value>) -> Self {
        Field { name, json, value: value.into(), interface: false }
    }
}

/// A type of another crate as templates see it.
pub trait Object: Debug + Send + Sync {
    /// The Go name of the type, `template.Alert`; a leading `*` marks a pointer.
    fn type_name(&self) -> Cow<'static, str>;

    /// Its fields or elements.
    fn shape(&self) -> Shape;

    /// One field of a struct; overridden where building all fields would be dear.
    fn field(&self, name: &str) -> Option<Field> {
        match self.shape() {
            Shape::Struct(fields) => fields.into_iter().find(|field| field.name == name),
            _ => None,
        }
    }

    /// The method of that name, bound to this receiver.
    fn method(&self, _name: &str) -> Option<Function> {
        None
    }

    /// How it prints, where the type says so itself (Go's `Stringer`).
    fn text(&self) -> Option<String> {
        None
    }
}

impl Value {
    /// An `int`.
    pub fn int(v: i64) -> Value {
        Value::Int(v, IntKind::Int)
    }

    /// A string that html/template passes through as HTML.
    pub fn html(text: impl Into<Text>) -> Value {
        Value::Safe(SafeKind::Html, text.into())
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(List::new(Type::Interface, items)))
    }

    /// A `[]string`.
    pub fn strings<T: Into<Text>>(items: impl IntoIterator<Item = T>) -> Value {
        let items = items.into_iter().map(|item| Value::Str(item.into())).collect();
        Value::List(Arc::new(List::new(Type::String, items)))
    }

    /// A `map[string]interface {}`.
    pub fn map<K: Into<Text>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(Arc::new(Map::new(Type::Interface, entries.into_iter().map(|(k, v)| (k.into(), v)))))
    }

    /// A `map[string]string`.
    pub fn string_map<K: Into<Text>, V: Into<Text>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
        let entries = entries.into_iter().map(|(k, v)| (k.into(), Value::Str(v.into())));
        Value::Map(Arc::new(Map::new(Type::String, entries)))
    }

    /// An object.
    pub fn object(object: impl Object + 'static) -> Value {
        Value::Object(Arc::new(object))
    }

    /// A JSON value as Go's `encoding/json` decodes it: every number is a `float64`.
    pub fn from_json(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(v) => Value::Bool(*v),
            serde_json::Value::Number(v) => Value::Float(v.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(v) => Value::from(v.as_str()),
            serde_json::Value::Array(items) => Value::list(items.iter().map(Value::from_json).collect()),
            serde_json::Value::Object(entries) => {
                Value::map(entries.iter().map(|(k, v)| (k.as_str(), Value::from_json(v))))
            }
        }
    }

    /// The zero value of a type.
    pub fn zero(of: &Type) -> Value {
        match of {
            Type::Bool => Value::Bool(false),
            Type::Int(kind) => Value::Int(0, *kind),
            Type::Uint(kind) => Value::Uint(0, *kind),
            Type::Float => Value::Float(0.0),
            Type::Complex => Value::Complex(0.0, 0.0),
            Type::String => Value::from(""),
            Type::Safe(kind) => Value::Safe(*kind, Text::from("")),
            Type::List(element) => Value::List(Arc::new(List::new((**element).clone(), Vec::new()))),
            Type::Map(element) => Value::Map(Arc::new(Map::new((**element).clone(), []))),
            Type::Time => Value::Time(Time::ZERO),
            Type::Duration => Value::Duration(0),
            Type::Interface | Type::Any | Type::Func | Type::Named(_) => Value::Nil,
        }
    }

    /// The dynamic type; `None` for nil.
    pub fn type_of(&self) -> Option<Type> {
        Some(match self {
            Value::Nil => return None,
            Value::Bool(_) => Type::Bool,
            Value::Int(_, kind) => Type::Int(*kind),
            Value::Uint(_, kind) => Type::Uint(*kind),
            Value::Float(_) => Type::Float,
            Value::Complex(..) => Type::Complex,
            Value::Str(_) => Type::String,
            Value::Safe(kind, _) => Type::Safe(*kind),
            Value::List(list) => Type::List(Box::new(list.element.clone())),
            Value::Map(map) => Type::Map(Box::new(map.element.clone())),
            Value::Time(_) => Type::Time,
            Value::Duration(_) => Type::Duration,
            Value::Constant(constant) => Type::Named(constant.type_name.into()),
            Value::Func(_) => Type::Func,
            Value::Object(object) => Type::Named(object.type_name()),
        })
    }

    /// The name of the dynamic type, `<nil>` for nil.
    pub fn type_name(&self) -> String {
        self.type_of().map_or_else(|| "<nil>".to_owned(), |of| of.to_string())
    }

    /// Whether Go would let this value be passed where `to` is asked for. Nil is judged by [`Type::can_be_nil`].
    pub fn is_assignable(&self, to: &Type) -> bool {
        match (self, to) {
            (_, Type::Interface | Type::Any) => true,
            (Value::Nil, to) => to.can_be_nil(),
            (Value::Object(object), Type::List(element)) => {
                matches!(object.shape(), Shape::List(list) if list.element == **element)
            }
            (Value::Object(object), Type::Map(element)) => {
                matches!(object.shape(), Shape::Map(map) if map.element == **element)
            }
            _ => self.type_of().as_ref() == Some(to),
        }
    }

    /// Go's notion of truth: whatever is not the zero or empty value of its type.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(v) => *v,
            Value::Int(v, _) => *v != 0,
            Value::Uint(v, _) => *v != 0,
            Value::Float(v) => *v != 0.0,
            Value::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Value::Str(text) | Value::Safe(_, text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !map.entries.is_empty(),
            Value::Duration(v) => *v != 0,
            Value::Constant(constant) => constant.value != 0,
            Value::Time(_) | Value::Func(_) => true,
            Value::Object(object) => match object.shape() {
                Shape::Struct(_) => true,
                Shape::List(list) => !list.items.is_empty(),
                Shape::Map(map) => !map.entries.is_empty(),
            },
        }
    }

    /// The bytes of a string of any string type.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Str(text) | Value::Safe(_, text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string of any string type, with U+FFFD for what is not UTF-8.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        self.as_bytes().map(crate::text::lossy)
    }

    /// The elements, for a list or a named slice type.
    pub fn as_list(&self) -> Option<Arc<List>> {
        match self {
            Value::List(list) => Some(list.clone()),
            Value::Object(object) => match object.shape() {
                Shape::List(list) => Some(list),
                _ => None,
            },
            _ => None,
        }
    }

    /// The entries, for a map or a named map type.
    pub fn as_map(&self) -> Option<Arc<Map>> {
        match self {
            Value::Map(map) => Some(map.clone()),
            Value::Object(object) => match object.shape() {
                Shape::Map(map) => Some(map),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many lists and maps are nested in each other here. Objects are built by our own code and count as flat.
    pub fn depth(&self) -> u32 {
        match self {
            Value::List(list) => list.depth,
            Value::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// Bytes that building this value took, about: what the execution budget is charged for it.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Value::Str(text) | Value::Safe(_, text) => text.len() + 16,
            Value::List(list) => list.items.len() * size_of::<Value>() + 16,
            Value::Map(map) => map.entries.len() * 2 * size_of::<Value>() + 16,
            _ => 16,
        }
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Str(v.into())
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::Str(v.into())
    }
}

impl From<Text> for Value {
    fn from(v: Text) -> Self {
        Value::Str(v)
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Value::Float(v)
    }
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::int(v)
    }
}

impl From<Time> for Value {
    fn from(v: Time) -> Self {
        Value::Time(v)
    }
}
