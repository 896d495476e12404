//! Static types, as far as Go's templates show them: in `%T`, in `%#v`, in error texts, and in what a missing map key yields.

use std::borrow::Cow;
use std::fmt;

/// The signed integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntKind {
    /// `int`, the type of integer constants.
    Int,
    /// `int32`, also `rune`.
    Int32,
    /// `int64`.
    Int64,
}

/// The unsigned integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UintKind {
    /// `uint`.
    Uint,
    /// `uint8`, the type of one byte of a string.
    Uint8,
    /// `uint64`.
    Uint64,
}

/// Strings that html/template trusts in the context of their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeKind {
    /// A fragment of HTML.
    Html,
    /// An HTML attribute, ` dir="ltr"`.
    HtmlAttr,
    /// A JavaScript expression.
    Js,
    /// What stands between the quotes of a JavaScript string.
    JsStr,
    /// A piece of CSS.
    Css,
    /// A URL.
    Url,
    /// The value of a `srcset` attribute.
    Srcset,
}

/// A Go type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// `interface {}`: any value.
    Interface,
    /// What Go's own functions take: any value, and an absent one too.
    Any,
    /// `bool`.
    Bool,
    /// A signed integer.
    Int(IntKind),
    /// An unsigned integer.
    Uint(UintKind),
    /// `float64`.
    Float,
    /// `complex128`.
    Complex,
    /// `string`.
    String,
    /// One of html/template's trusted strings.
    Safe(SafeKind),
    /// A slice.
    List(Box<Type>),
    /// A map with string keys.
    Map(Box<Type>),
    /// `time.Time`.
    Time,
    /// `time.Duration`.
    Duration,
    /// A function value.
    Func,
    /// Any other type, by its qualified name (`template.KV`).
    Named(Cow<'static, str>),
}

impl Type {
    /// `[]string`.
    pub fn strings() -> Type {
        Type::List(Box::new(Type::String))
    }

    /// `[]interface {}`.
    pub fn list() -> Type {
        Type::List(Box::new(Type::Interface))
    }

    /// `int`.
    pub const INT: Type = Type::Int(IntKind::Int);

    /// True where an untyped nil is a value of this type.
    pub fn can_be_nil(&self) -> bool {
        match self {
            Type::Interface | Type::Any | Type::List(_) | Type::Map(_) | Type::Func => true,
            Type::Named(name) => name.starts_with('*'),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Interface => "interface {}",
            Type::Any => "reflect.Value",
            Type::Bool => "bool",
            Type::Int(IntKind::Int) => "int",
            Type::Int(IntKind::Int32) => "int32",
            Type::Int(IntKind::Int64) => "int64",
            Type::Uint(UintKind::Uint) => "uint",
            Type::Uint(UintKind::Uint8) => "uint8",
            Type::Uint(UintKind::Uint64) => "uint64",
            Type::Float => "float64",
            Type::Complex => "complex128",
            Type::String => "string",
            Type::Safe(SafeKind::Html) => "template.HTML",
            Type::Safe(SafeKind::HtmlAttr) => "template.HTMLAttr",
            Type::Safe(SafeKind::Js) => "template.JS",
            Type::Safe(SafeKind::JsStr) => "template.JSStr",
            Type::Safe(SafeKind::Css) => "template.CSS",
            Type::Safe(SafeKind::Url) => "template.URL",
            Type::Safe(SafeKind::Srcset) => "template.Srcset",
            Type::List(element) => return write!(f, "[]{element}"),
            Type::Map(element) => return write!(f, "map[string]{element}"),
            Type::Time => "time.Time",
            Type::Duration => "time.Duration",
            Type::Func => "func()",
            Type::Named(name) => name,
        })
    }
}
