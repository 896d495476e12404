//! `eq` and `lt`: Go compares only what has the same basic kind, and signed with unsigned integers by value.

use std::cmp::Ordering;

use super::print_text;
use crate::value::{Shape, Value};

#[derive(PartialEq)]
enum Basic<'a> {
    Bool(bool),
    Complex(f64, f64),
    /// Signed and unsigned integers together: they compare by value.
    Integer(i128),
    Float(f64),
    Text(&'a [u8]),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(v) => Basic::Bool(*v),
        Value::Complex(re, im) => Basic::Complex(*re, *im),
        Value::Int(v, _) | Value::Duration(v) => Basic::Integer((*v).into()),
        Value::Constant(constant) => Basic::Integer(constant.value.into()),
        Value::Uint(v, _) => Basic::Integer((*v).into()),
        Value::Float(v) => Basic::Float(*v),
        Value::Str(text) | Value::Safe(_, text) => Basic::Text(text),
        _ => return None,
    })
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

/// True where `first` equals any of `others`.
pub(super) fn eq(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (basic(a), basic(b)) {
        (Some(x), Some(y)) if std::mem::discriminant(&x) == std::mem::discriminant(&y) => Ok(x == y),
        (None, None) => equal_other(a, b),
        _ if matches!(a, Value::Nil) || matches!(b, Value::Nil) => Ok(false),
        _ => Err(incompatible(a, b)),
    }
}

fn equal_other(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => return Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => return Ok(false),
        (Value::Time(a), Value::Time(b)) => return Ok(a == b),
        _ => {}
    }
    let (a_type, b_type) = (a.type_name(), b.type_name());
    if kind(a) != kind(b) {
        let shown = crate::fmt::sprintf("%s", std::slice::from_ref(a));
        return Err(format!("non-comparable types {shown}: {a_type}, {b_type}: {}", print_text(b)));
    }
    let shape = match b {
        Value::Object(object) => Some(object.shape()),
        _ => None,
    };
    if kind(b) != "struct" || !shape.is_none_or(|shape| is_comparable(&shape)) {
        let shown = crate::fmt::sprintf("%s", std::slice::from_ref(b));
        return Err(format!("non-comparable type {shown}: {b_type}"));
    }
    if a_type != b_type {
        return Ok(false);
    }
    let (Value::Object(a), Value::Object(b)) = (a, b) else { return Ok(false) };
    let (Shape::Struct(a), Shape::Struct(b)) = (a.shape(), b.shape()) else { return Ok(false) };
    for (x, y) in a.iter().zip(&b) {
        if !equal(&x.value, &y.value)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_comparable(shape: &Shape) -> bool {
    let Shape::Struct(fields) = shape else { return false };
    fields.iter().all(|field| match &field.value {
        Value::List(_) | Value::Map(_) | Value::Func(_) => false,
        Value::Object(object) => is_comparable(&object.shape()),
        _ => true,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "slice",
        Value::Map(_) => "map",
        Value::Func(_) => "func",
        Value::Object(object) => match object.shape() {
            Shape::List(_) => "slice",
            Shape::Map(_) => "map",
            Shape::Struct(_) => "struct",
        },
        _ => "struct",
    }
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    let invalid = || "invalid type for comparison".to_owned();
    let x = basic(a).ok_or_else(invalid)?;
    let y = basic(b).ok_or_else(invalid)?;
    match (x, y) {
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => Err(invalid()),
        (Basic::Integer(x), Basic::Integer(y)) => Ok(Some(x.cmp(&y))),
        (Basic::Float(x), Basic::Float(y)) => Ok(x.partial_cmp(&y)),
        (Basic::Text(x), Basic::Text(y)) => Ok(Some(x.cmp(y))),
        _ => Err(incompatible(a, b)),
    }
}

pub(super) fn lt(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(order(a, b)? == Some(Ordering::Less))
}

pub(super) fn le(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)))
}
