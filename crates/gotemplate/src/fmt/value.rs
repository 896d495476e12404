//! Values of every type under a verb.

use std::sync::Arc;

use super::Printer;
use super::quote::{can_backquote, quote_with};
use crate::text::chars;
use crate::types::{Type, UintKind};
use crate::value::{List, Map, Object, Shape, Value};

impl Printer {
    /// An argument of a directive.
    pub(super) fn arg(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad_text(b"<nil>"),
            (_, 'T') => self.pad_text(value.type_name().as_bytes()),
            _ => self.value(value, verb),
        }
    }

    /// A value, at the top or inside another.
    fn value(&mut self, value: &Value, verb: char) {
        if self.overflow {
            return;
        }
        if verb == 'w' {
            return self.bad_verb(value, verb); // for wrapped errors alone
        }
        if !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = stringer(value)
        {
            let _ = self.text(text.as_bytes(), verb);
            return;
        }
        let done = match value {
            Value::Nil => None,
            Value::Bool(v) if matches!(verb, 't' | 'v') => {
                self.pad(if *v { b"true" } else { b"false" });
                Some(())
            }
            Value::Bool(_) => None,
            Value::Int(v, _) | Value::Duration(v) => self.integer((*v).into(), false, verb),
            Value::Constant(constant) => self.integer(constant.value.into(), false, verb),
            Value::Uint(v, _) => self.integer((*v).into(), true, verb),
            Value::Float(v) => self.float(*v, verb),
            Value::Complex(re, im) => self.complex(*re, *im, verb),
            Value::Str(text) | Value::Safe(_, text) => self.text(text, verb),
            Value::Time(time) => {
                self.push(time.go_syntax().as_bytes());
                Some(())
            }
            Value::List(list) => {
                self.list(&value.type_name(), list, verb);
                Some(())
            }
            Value::Map(map) => {
                self.map(&value.type_name(), map, verb);
                Some(())
            }
            Value::Object(object) => {
                self.object(object, verb);
                Some(())
            }
            Value::Func(_) => None,
        };
        if done.is_none() {
            self.bad_verb(value, verb);
        }
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.push(format!("%!{verb}(").as_bytes());
        match value {
            Value::Nil => self.push(b"<nil>"),
            Value::Func(_) => self.push(b"func()"),
            value => {
                self.push(value.type_name().as_bytes());
                self.push(b"=");
                // The complaint shows the value itself, not what it says of itself.
                self.plain(value);
            }
        }
        self.push(b")");
    }

    /// A value under `%v` without asking it for its own text.
    fn plain(&mut self, value: &Value) {
        match value {
            Value::Duration(v) => {
                let _ = self.integer((*v).into(), false, 'v');
            }
            Value::Constant(constant) => {
                let _ = self.integer(constant.value.into(), false, 'v');
            }
            Value::Object(object) => self.object(object, 'v'),
            value => self.value(value, 'v'),
        }
    }

    /// Strings. `None` where the verb is not for strings.
    fn text(&mut self, text: &[u8], verb: char) -> Option<()> {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.pad_text(text),
            'x' => self.hexadecimal(text, false),
            'X' => self.hexadecimal(text, true),
            'q' => self.quoted(text),
            _ => return None,
        }
        Some(())
    }

    fn truncate<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        match self.flags.precision {
            Some(precision) => chars(text).nth(precision).map_or(text, |(at, _, _)| &text[..at]),
            None => text,
        }
    }

    fn pad_text(&mut self, text: &[u8]) {
        let text = self.truncate(text);
        self.pad(text);
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.truncate(text);
        if self.flags.sharp && can_backquote(text) {
            let quoted = [b"`", text, b"`"].concat();
            self.pad(&quoted);
        } else {
            let quoted = quote_with(text, self.flags.plus);
            self.pad(quoted.as_bytes());
        }
    }

    fn hexadecimal(&mut self, text: &[u8], upper: bool) {
        let text = &text[..text.len().min(self.flags.precision.unwrap_or(usize::MAX))];
        let prefix = match (self.flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut out = String::with_capacity(text.len() * 2 + 2);
        for (i, byte) in text.iter().enumerate() {
            if self.flags.space && i > 0 {
                out.push(' ');
            }
            if i == 0 || self.flags.space {
                out.push_str(prefix);
            }
            out.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(out.as_bytes());
    }

    fn list(&mut self, type_name: &str, list: &Arc<List>, verb: char) {
        if matches!(verb, 's' | 'q' | 'x' | 'X') && *list.element() == Type::Uint(UintKind::Uint8) {
            let bytes: Vec<u8> =
                list.items().iter().map(|v| if let Value::Uint(b, _) = v { *b as u8 } else { 0 }).collect();
            let _ = self.text(&bytes, verb);
            return;
        }
        let sharp = self.flags.sharp_v;
        self.push(if sharp { type_name.as_bytes() } else { b"" });
        self.push(if sharp { b"{" } else { b"[" });
        for (i, item) in list.items().iter().enumerate() {
            if i > 0 {
                self.push(if sharp { b", " } else { b" " });
            }
            self.element(item, list.element(), verb);
        }
        self.push(if sharp { b"}" } else { b"]" });
    }

    fn map(&mut self, type_name: &str, map: &Arc<Map>, verb: char) {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.push(type_name.as_bytes());
            self.push(b"{");
        } else {
            self.push(b"map[");
        }
        for (i, (key, item)) in map.entries().iter().enumerate() {
            if i > 0 {
                self.push(if sharp { b", " } else { b" " });
            }
            self.value(&Value::Str(key.clone()), verb);
            self.push(b":");
            self.element(item, map.element(), verb);
        }
        self.push(if sharp { b"}" } else { b"]" });
    }

    /// An element of static type `element`; a nil one has no verb to complain about.
    fn element(&mut self, item: &Value, element: &Type, verb: char) {
        if !matches!(item, Value::Nil) {
            return self.value(item, verb);
        }
        if self.flags.sharp_v {
            self.push(format!("{element}(nil)").as_bytes());
        } else {
            self.push(b"<nil>");
        }
    }

    fn object(&mut self, object: &Arc<dyn Object>, verb: char) {
        let name = object.type_name();
        let fields = match object.shape() {
            Shape::List(list) => return self.list(&name, &list, verb),
            Shape::Map(map) => return self.map(&name, &map, verb),
            Shape::Struct(fields) => fields,
        };
        let sharp = self.flags.sharp_v;
        let plain_name = name.strip_prefix('*');
        if plain_name.is_some() {
            self.push(b"&");
        }
        if sharp {
            self.push(plain_name.unwrap_or(&name).as_bytes());
        }
        self.push(b"{");
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.push(if sharp { b", " } else { b" " });
            }
            if sharp || self.flags.plus_v {
                self.push(field.name.as_bytes());
                self.push(b":");
            }
            self.element(&field.value, &Type::Interface, verb);
        }
        self.push(b"}");
    }
}

/// What a value says of itself (Go's `Stringer`).
pub(crate) fn stringer(value: &Value) -> Option<String> {
    match value {
        Value::Time(time) => Some(time.to_string()),
        Value::Duration(nanos) => Some(crate::time::duration::text(*nanos)),
        Value::Constant(constant) => Some(constant.text.to_owned()),
        Value::Object(object) => object.text(),
        _ => None,
    }
}
