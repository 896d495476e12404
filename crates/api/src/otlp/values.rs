//! Attribute values as text: the rules of the collector's `pcommon.Value.AsString`, which Prometheus uses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// The value of the first attribute of that name.
pub(super) fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<Cow<'a, str>> {
    attributes.iter().find(|kv| kv.key == name).map(|kv| text(kv.value.as_ref()))
}

/// A value as text; empty where there is none.
pub(super) fn text(value: Option<&AnyValue>) -> Cow<'_, str> {
    let Some(value) = value.and_then(|v| v.value.as_ref()) else { return Cow::Borrowed("") };
    Cow::Owned(match value {
        Value::StringValue(text) => return Cow::Borrowed(text),
        Value::BoolValue(value) => return Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) if value.is_finite() => float_text(*value),
        Value::DoubleValue(value) if value.is_nan() => "json: unsupported value: NaN".to_owned(),
        Value::DoubleValue(value) if *value > 0.0 => "json: unsupported value: +Inf".to_owned(),
        Value::DoubleValue(_) => "json: unsupported value: -Inf".to_owned(),
        Value::BytesValue(bytes) => BASE64_STANDARD.encode(bytes),
        Value::ArrayValue(_) | Value::KvlistValue(_) => {
            let mut out = String::new();
            // A number that JSON cannot hold makes Go's encoder give up.
            if json(value, &mut out) { out } else { String::new() }
        }
    })
}

/// A finite number as ECMAScript prints it.
fn float_text(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return if text.contains("e-") { text } else { text.replace('e', "e+") };
    }
    value.to_string()
}

/// Appends a value as JSON; false where it cannot be.
fn json(value: &Value, out: &mut String) -> bool {
    match value {
        Value::StringValue(text) => json_string(text, out),
        Value::BoolValue(value) => out.push_str(if *value { "true" } else { "false" }),
        // Writing to a string cannot fail.
        Value::IntValue(value) => _ = write!(out, "{value}"),
        Value::DoubleValue(value) if !value.is_finite() => return false,
        Value::DoubleValue(value) => out.push_str(&float_text(*value)),
        Value::BytesValue(bytes) => json_string(&BASE64_STANDARD.encode(bytes), out),
        Value::ArrayValue(array) => {
            out.push('[');
            for (at, item) in array.values.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                if !json_or_null(Some(item), out) {
                    return false;
                }
            }
            out.push(']');
        }
        Value::KvlistValue(list) => {
            let entries: BTreeMap<&str, Option<&AnyValue>> =
                list.values.iter().map(|kv| (kv.key.as_str(), kv.value.as_ref())).collect();
            out.push('{');
            for (at, (key, item)) in entries.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                json_string(key, out);
                out.push(':');
                if !json_or_null(item, out) {
                    return false;
                }
            }
            out.push('}');
        }
    }
    true
}

fn json_or_null(value: Option<&AnyValue>, out: &mut String) -> bool {
    match value.and_then(|v| v.value.as_ref()) {
        Some(value) => json(value, out),
        None => {
            out.push_str("null");
            true
        }
    }
}

/// Go's encoder also escapes what HTML would read.
fn json_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => _ = write!(out, "\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn values_as_text() {
        let pair = |key: &str, value| KeyValue { key: key.into(), value: Some(any(value)) };
        let list = vec![
            pair("z", Value::IntValue(-3)),
            pair("a", Value::StringValue("<\"\n\u{1}é".into())),
            KeyValue { key: "n".into(), value: None },
        ];
        let array = |values| Value::ArrayValue(ArrayValue { values });
        let cases = [
            (Value::StringValue("x y".into()), "x y"),
            (Value::BoolValue(true), "true"),
            (Value::IntValue(i64::MIN), "-9223372036854775808"),
            (Value::DoubleValue(1.5), "1.5"),
            (Value::DoubleValue(3.0), "3"),
            (Value::DoubleValue(-0.0), "-0"),
            (Value::DoubleValue(1e20), "100000000000000000000"),
            (Value::DoubleValue(1e21), "1e+21"),
            (Value::DoubleValue(1.25e-7), "1.25e-7"),
            (Value::DoubleValue(1e-6), "0.000001"),
            (Value::DoubleValue(f64::NAN), "json: unsupported value: NaN"),
            (Value::DoubleValue(f64::NEG_INFINITY), "json: unsupported value: -Inf"),
            (Value::BytesValue(vec![0, 255]), "AP8="),
            (Value::KvlistValue(KeyValueList { values: list }), r#"{"a":"\u003c\"\n\u0001é","n":null,"z":-3}"#),
            (array(vec![any(Value::IntValue(1)), any(Value::BoolValue(false)), AnyValue::default()]), "[1,false,null]"),
            (array(vec![any(Value::DoubleValue(f64::INFINITY))]), ""),
        ];
        for (value, want) in cases {
            assert_eq!(text(Some(&any(value))), want);
        }
        assert_eq!(text(None), "");
    }
}
