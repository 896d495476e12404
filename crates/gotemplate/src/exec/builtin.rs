//! Go's own template functions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::compare;
use crate::fmt::Printer;
use crate::fmt::quote::is_print;
use crate::funcs::{Call, Function};
use crate::text::chars;
use crate::types::{Type, UintKind};
use crate::value::{List, Shape, Value};

static BUILTINS: LazyLock<HashMap<&'static str, Function>> = LazyLock::new(|| {
    let any = || Function::variadic([Type::Any], Type::Any, |_, _| Err("cannot be called".into()));
    HashMap::from([
        // These three are evaluated by the caller; here are only their names.
        ("and", any()),
        ("or", any()),
        ("call", any()),
        ("not", Function::new([Type::Any], |_, args| Ok(Value::Bool(!args[0].is_true())))),
        ("len", Function::new([Type::Any], |_, args| length(&args[0]))),
        ("index", Function::variadic([Type::Any], Type::Any, |_, args| index(&args[0], &args[1..]))),
        ("slice", Function::variadic([Type::Any], Type::Any, |call, args| slice(call, &args[0], &args[1..]))),
        ("print", Function::variadic([], Type::Interface, |call, args| text(Printer::new(call.budget()).print(args)))),
        (
            "println",
            Function::variadic([], Type::Interface, |call, args| text(Printer::new(call.budget()).println(args))),
        ),
        (
            "printf",
            Function::variadic([Type::String], Type::Interface, |call, args| {
                let format = args[0].as_bytes().unwrap_or_default();
                text(Printer::new(call.budget()).format(format, &args[1..]))
            }),
        ),
        ("html", Function::variadic([], Type::Interface, |call, args| Ok(html_escape(&joined(call, args)?).into()))),
        ("js", Function::variadic([], Type::Interface, |call, args| Ok(js_escape(&joined(call, args)?).into()))),
        ("urlquery", Function::variadic([], Type::Interface, |call, args| Ok(url_query(&joined(call, args)?).into()))),
        (
            "eq",
            Function::variadic([Type::Any], Type::Any, |_, args| compare::eq(&args[0], &args[1..]).map(Value::Bool)),
        ),
        ("ne", Function::new([Type::Any, Type::Any], |_, args| compare::eq(&args[0], &args[1..]).map(|v| (!v).into()))),
        ("lt", Function::new([Type::Any, Type::Any], |_, args| compare::lt(&args[0], &args[1]).map(Value::Bool))),
        ("le", Function::new([Type::Any, Type::Any], |_, args| compare::le(&args[0], &args[1]).map(Value::Bool))),
        ("gt", Function::new([Type::Any, Type::Any], |_, args| compare::le(&args[0], &args[1]).map(|v| (!v).into()))),
        ("ge", Function::new([Type::Any, Type::Any], |_, args| compare::lt(&args[0], &args[1]).map(|v| (!v).into()))),
    ])
});

/// True for the name of one of Go's own functions.
pub(crate) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains_key(name)
}

pub(super) fn get(name: &str) -> Option<&'static Function> {
    BUILTINS.get(name)
}

/// A value as `print` shows it, cut where it is very long: for error texts.
pub(crate) fn print_text(value: &Value) -> String {
    match Printer::new(1 << 16).print(std::slice::from_ref(value)) {
        Ok(bytes) => crate::text::lossy(&bytes).into_owned(),
        Err(_) => format!("a value of type {}", value.type_name()),
    }
}

fn text(bytes: Result<Vec<u8>, crate::fmt::Overflow>) -> Result<Value, String> {
    bytes.map(|bytes| Value::Str(bytes.into())).map_err(|overflow| overflow.to_string())
}

/// The arguments as `print` joins them, with nil as `<no value>`.
fn joined(call: &Call, args: &[Value]) -> Result<Vec<u8>, String> {
    if let [value] = args
        && let Some(bytes) = value.as_bytes()
    {
        return Ok(bytes.to_vec());
    }
    let shown: Vec<Value> =
        args.iter().map(|arg| if matches!(arg, Value::Nil) { "<no value>".into() } else { arg.clone() }).collect();
    Printer::new(call.budget()).print(&shown).map_err(|overflow| overflow.to_string())
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Nil => return Err("len of nil pointer".into()),
        Value::Str(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        Value::Object(object) => match object.shape() {
            Shape::List(list) => list.items().len(),
            Shape::Map(map) => map.entries().len(),
            Shape::Struct(_) => return Err(format!("len of type {}", value.type_name())),
        },
        value => return Err(format!("len of type {}", value.type_name())),
    };
    Ok(Value::int(length as i64))
}

fn index_arg(index: &Value, cap: usize) -> Result<usize, String> {
    let at = match index {
        Value::Int(v, _) | Value::Duration(v) => i128::from(*v),
        Value::Uint(v, _) => i128::from(*v),
        Value::Constant(constant) => i128::from(constant.value),
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        value => return Err(format!("cannot index slice/array with type {}", value.type_name())),
    };
    match usize::try_from(at) {
        Ok(at) if at <= cap => Ok(at),
        _ => Err(format!("index out of range: {at}")),
    }
}

fn index(item: &Value, indexes: &[Value]) -> Result<Value, String> {
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        if matches!(item, Value::Nil) {
            return Err("index of nil pointer".into());
        }
        item = if let Some(list) = item.as_list() {
            let at = index_arg(index, list.items().len())?;
            list.items().get(at).cloned().ok_or("reflect: slice index out of range")?
        } else if let Some(map) = item.as_map() {
            match index {
                Value::Str(key) => map.get(key),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                value => return Err(format!("value has type {}; should be string", value.type_name())),
            }
        } else if let Some(bytes) = item.as_bytes() {
            let at = index_arg(index, bytes.len())?;
            let byte = *bytes.get(at).ok_or("reflect: string index out of range")?;
            Value::Uint(byte.into(), UintKind::Uint8)
        } else {
            return Err(format!("can't index item of type {}", item.type_name()));
        };
    }
    Ok(item)
}

fn slice(call: &Call, item: &Value, indexes: &[Value]) -> Result<Value, String> {
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let list = item.as_list();
    let length = match (&list, item.as_bytes()) {
        (Some(list), _) => list.items().len(),
        (None, Some(_)) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        (None, Some(bytes)) => bytes.len(),
        (None, None) => return Err(format!("can't slice item of type {}", item.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = index_arg(index, length)?;
    }
    for pair in bounds[..indexes.len().max(2)].windows(2) {
        if pair[0] > pair[1] {
            return Err(format!("invalid slice index: {} > {}", pair[0], pair[1]));
        }
    }
    let range = bounds[0]..bounds[1];
    if let Some(list) = list {
        call.reserve(range.len() * size_of::<Value>())?;
        return Ok(Value::List(Arc::new(List::new(list.element().clone(), list.items()[range].to_vec()))));
    }
    let bytes = &item.as_bytes().unwrap_or_default()[range];
    Ok(match item {
        Value::Safe(kind, _) => Value::Safe(*kind, bytes.into()),
        _ => Value::Str(bytes.into()),
    })
}

/// `call fn args`: `name` is how the template spells the function.
pub(super) fn call(name: &str, context: &Call, args: &[Value]) -> Result<Value, String> {
    let function = match &args[0] {
        Value::Func(function) => function,
        Value::Nil => return Err("call of nil".into()),
        value => return Err(format!("non-function {name} of type {}", value.type_name())),
    };
    let given = &args[1..];
    let fixed = function.params.len();
    if function.variadic.is_some() && given.len() < fixed {
        return Err(format!("wrong number of args for {name}: got {} want at least {fixed}", given.len()));
    }
    if function.variadic.is_none() && given.len() != fixed {
        return Err(format!("wrong number of args for {name}: got {} want {fixed}", given.len()));
    }
    for (i, value) in given.iter().enumerate() {
        let to = function.params.get(i).or(function.variadic.as_ref()).expect("the number of arguments was checked");
        if !value.is_assignable(to) {
            return Err(match value {
                Value::Nil => format!("arg {i}: value is nil; should be of type {to}"),
                value => format!("arg {i}: value has type {}; should be {to}", value.type_name()),
            });
        }
    }
    (function.body)(context, given)
}

/// Replaces what is special in HTML, as text/template's `html` does.
pub(crate) fn html_escape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    for byte in bytes {
        out.extend_from_slice(match byte {
            0 => "\u{fffd}".as_bytes(),
            b'"' => b"&#34;",
            b'\'' => b"&#39;",
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            _ => std::slice::from_ref(byte),
        });
    }
    out
}

/// Replaces what is special in a JavaScript string.
fn js_escape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    for (at, c, width) in chars(bytes) {
        match c {
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\'') => out.extend_from_slice(b"\\'"),
            Some('"') => out.extend_from_slice(b"\\\""),
            Some(c @ ('<' | '>' | '&' | '=' | '\0'..'\u{20}')) => {
                out.extend_from_slice(format!("\\u{:04X}", c as u32).as_bytes());
            }
            Some(c) if !c.is_ascii() && !is_print(c) => {
                out.extend_from_slice(format!("\\u{:04X}", c as u32).as_bytes());
            }
            _ => out.extend_from_slice(&bytes[at..at + width]),
        }
    }
    out
}

/// Go's `url.QueryEscape`.
pub(crate) fn url_query(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 4);
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Str(bytes.into())
    }
}
