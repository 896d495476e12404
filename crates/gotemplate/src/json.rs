//! `encoding/json`'s writer: sorted keys, `<`, `>` and `&` escaped, floats as ECMAScript writes them.

use crate::text::chars;
use crate::value::{Field, List, Map, Shape, Value};

/// Writes a value as Go's `json.Marshal`, in at most `limit` bytes.
pub fn marshal(value: &Value, limit: usize) -> Result<String, String> {
    let mut writer = Writer { out: String::new(), limit };
    writer.value(value)?;
    Ok(writer.out)
}

/// Like [`marshal`], with every line after the first starting with `prefix` and nesting shown by `indent`.
pub fn marshal_indent(value: &Value, prefix: &str, indent: &str, limit: usize) -> Result<String, String> {
    let compact = marshal(value, limit)?;
    let mut out = String::with_capacity(compact.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut previous = ' ';
    for c in compact.chars() {
        if out.len() > limit {
            return Err(too_large());
        }
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            previous = c;
            continue;
        }
        let newline = |out: &mut String, depth: usize| {
            out.push('\n');
            out.push_str(prefix);
            out.extend(std::iter::repeat_n(indent, depth));
        };
        match c {
            '{' | '[' => {
                if matches!(previous, '{' | '[') {
                    newline(&mut out, depth);
                }
                out.push(c);
                depth += 1;
            }
            '}' | ']' => {
                depth -= 1;
                if !matches!(previous, '{' | '[') {
                    newline(&mut out, depth);
                }
                out.push(c);
            }
            ',' => {
                out.push(c);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                if matches!(previous, '{' | '[') {
                    newline(&mut out, depth);
                }
                out.push(c);
                in_string = c == '"';
            }
        }
        previous = c;
    }
    Ok(out)
}

fn too_large() -> String {
    crate::funcs::OVER_BUDGET.into()
}

struct Writer {
    out: String,
    limit: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), String> {
        if self.out.len() > self.limit {
            return Err(too_large());
        }
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(v) => self.out.push_str(if *v { "true" } else { "false" }),
            Value::Int(v, _) | Value::Duration(v) => self.out.push_str(&v.to_string()),
            Value::Constant(constant) => self.out.push_str(&constant.value.to_string()),
            Value::Uint(v, _) => self.out.push_str(&v.to_string()),
            Value::Float(v) => self.float(*v)?,
            Value::Str(text) | Value::Safe(_, text) => self.string(text),
            Value::Time(time) => {
                let text = time.format("2006-01-02T15:04:05.999999999Z07:00");
                self.string(text.as_bytes());
            }
            Value::List(list) => self.list(list)?,
            Value::Map(map) => self.map(map)?,
            Value::Object(object) => match object.shape() {
                Shape::List(list) => self.list(&list)?,
                Shape::Map(map) => self.map(&map)?,
                Shape::Struct(fields) => self.object(&fields)?,
            },
            Value::Complex(..) => return Err("json: unsupported type: complex128".into()),
            Value::Func(_) => return Err("json: unsupported type: func()".into()),
        }
        Ok(())
    }

    fn float(&mut self, v: f64) -> Result<(), String> {
        if !v.is_finite() {
            return Err(format!("json: unsupported value: {}", crate::fmt::float::format_float(v, b'g', None)));
        }
        let size = v.abs();
        if size != 0.0 && !(1e-6..1e21).contains(&size) {
            // One digit of a negative exponent is written without a leading zero.
            let text = crate::fmt::float::format_float(v, b'e', None);
            self.out.push_str(&text.replace("e-0", "e-"));
        } else {
            self.out.push_str(&format!("{v}"));
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push('"');
        for (_, c, _) in chars(text) {
            match c {
                Some('"') => self.out.push_str("\\\""),
                Some('\\') => self.out.push_str("\\\\"),
                Some('\u{8}') => self.out.push_str("\\b"),
                Some('\u{c}') => self.out.push_str("\\f"),
                Some('\n') => self.out.push_str("\\n"),
                Some('\r') => self.out.push_str("\\r"),
                Some('\t') => self.out.push_str("\\t"),
                Some(c @ ('\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')) => {
                    self.out.push_str(&format!("\\u{:04x}", c as u32));
                }
                Some(c) => self.out.push(c),
                None => self.out.push_str("\\ufffd"),
            }
        }
        self.out.push('"');
    }

    fn list(&mut self, list: &List) -> Result<(), String> {
        self.out.push('[');
        for (i, item) in list.items().iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.value(item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, map: &Map) -> Result<(), String> {
        self.out.push('{');
        for (i, (key, item)) in map.entries().iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.string(key);
            self.out.push(':');
            self.value(item)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn object(&mut self, fields: &[Field]) -> Result<(), String> {
        self.out.push('{');
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.string(field.json.as_bytes());
            self.out.push(':');
            self.value(&field.value)?;
        }
        self.out.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go() {
        let value = Value::map([
            ("z", Value::Float(1e21)),
            ("a", Value::from("<\"&'>\n\u{2028}")),
            ("n", Value::Nil),
            ("l", Value::list(vec![Value::int(1), Value::Float(1e-7), Value::Float(0.5)])),
        ]);
        let text = marshal(&value, 1000).unwrap();
        assert_eq!(text, r#"{"a":"\u003c\"\u0026'\u003e\n\u2028","l":[1,1e-7,0.5],"n":null,"z":1e+21}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["a"], "<\"&'>\n\u{2028}");
        assert!(marshal(&Value::Float(f64::NAN), 10).is_err());
        assert!(marshal(&Value::list(vec![Value::from("long enough"), Value::int(1)]), 5).is_err());
        let indented =
            marshal_indent(&Value::map([("a", Value::list(vec![])), ("b", Value::from("x\\\"{"))]), "", "  ", 100);
        assert_eq!(indented.unwrap(), "{\n  \"a\": [],\n  \"b\": \"x\\\\\\\"{\"\n}");
    }
}
