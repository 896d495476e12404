//! Reading arguments that the caller has already checked against the parameter types.

use std::borrow::Cow;

use super::{Call, Function};
use crate::time::Time;
use crate::types::Type;
use crate::value::Value;

/// A string argument, with U+FFFD for what is not UTF-8.
pub(super) fn text(args: &[Value], at: usize) -> Cow<'_, str> {
    args.get(at).and_then(Value::as_text).unwrap_or_default()
}

/// An integer argument.
pub(super) fn int(args: &[Value], at: usize) -> i64 {
    match args.get(at) {
        Some(Value::Int(v, _) | Value::Duration(v)) => *v,
        Some(Value::Uint(v, _)) => i64::try_from(*v).unwrap_or(i64::MAX),
        _ => 0,
    }
}

/// A time argument.
pub(super) fn time(args: &[Value], at: usize) -> Time {
    match args.get(at) {
        Some(Value::Time(time)) => *time,
        _ => Time::ZERO,
    }
}

/// A function from so many strings to a string.
pub(super) fn strings(count: usize, body: impl Fn(&[Cow<'_, str>]) -> String + Send + Sync + 'static) -> Function {
    Function::new(vec![Type::String; count], move |_, args| {
        let texts: Vec<Cow<'_, str>> = (0..count).map(|at| text(args, at)).collect();
        Ok(body(&texts).into())
    })
}

/// A function from two strings to a truth value.
pub(super) fn test(body: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Function {
    Function::new([Type::String, Type::String], move |_, args| Ok(body(&text(args, 0), &text(args, 1)).into()))
}

/// `strings.ReplaceAll`, refused where the result would be too large.
pub(super) fn replace_all(
    call: &Call,
    source: &str,
    old: &str,
    new: &str,
    most: Option<usize>,
) -> Result<Value, String> {
    let most = most.unwrap_or(usize::MAX);
    let found = if old.is_empty() { source.chars().count() + 1 } else { source.matches(old).count() }.min(most);
    call.reserve(source.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(source.replacen(old, new, most).into())
}

/// `url.QueryUnescape`.
pub(super) fn query_unescape(text: &str) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let Some(digits) = digits else {
                    let end = (at + 3).min(bytes.len());
                    let bad = crate::fmt::quote::quote(&bytes[at..end]);
                    return Err(format!("invalid URL escape {bad}"));
                };
                let digits = std::str::from_utf8(digits).expect("hexadecimal digits are ASCII");
                out.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits fit"));
                at += 2;
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    Ok(out)
}
