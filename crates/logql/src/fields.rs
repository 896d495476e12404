//! Fields of lines: what a log query's lines have beside the labels of their streams, of which type, and with how many values.

use std::collections::BTreeMap;

use model::{LineFormat, LogSource};

use crate::engine::{Engine, QueryContext, RangeParams};
use crate::error::QueryError;
use crate::syntax::ast::{Expr, LogExpr};
use crate::units;
use crate::value::Value;

/// The type of a field, as Loki names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// `string`
    Text,
    /// `int`
    Int,
    /// `float`
    Float,
    /// `boolean`
    Boolean,
    /// `duration`
    Duration,
    /// `bytes`
    Bytes,
}

impl FieldType {
    /// Loki's name.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldType::Text => "string",
            FieldType::Int => "int",
            FieldType::Float => "float",
            FieldType::Boolean => "boolean",
            FieldType::Duration => "duration",
            FieldType::Bytes => "bytes",
        }
    }

    /// The type that a value has.
    pub fn of(value: &str) -> FieldType {
        if value.parse::<i64>().is_ok() {
            FieldType::Int
        } else if units::number(value).is_ok() {
            FieldType::Float
        } else if matches!(value, "true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "t" | "f" | "T" | "F") {
            FieldType::Boolean
        } else if units::duration(value).is_ok() {
            FieldType::Duration
        } else if value.starts_with(|c: char| c.is_ascii_digit()) && units::bytes(value).is_ok() {
            FieldType::Bytes
        } else {
            FieldType::Text
        }
    }
}

/// A field that lines have.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectedField {
    /// Its name as a label.
    pub name: String,
    /// Its type; [`FieldType::Text`] where values differ in type.
    pub field_type: FieldType,
    /// Values with the number of lines that have them, most frequent first.
    pub values: Vec<(String, u64)>,
    /// Different values among the lines that were looked at.
    pub cardinality: u64,
    /// The parsers that find it; none for structured metadata and labels that stages of the query make.
    pub parsers: Vec<&'static str>,
}

/// Values of a field that are counted apart.
const MOST_VALUES: usize = 10_000;

#[derive(Default)]
struct Seen {
    values: BTreeMap<String, u64>,
    field_type: Option<FieldType>,
    parsers: Vec<&'static str>,
}

impl Seen {
    fn add(&mut self, value: &str, parser: Option<&'static str>) {
        let found = FieldType::of(value);
        self.field_type = Some(match self.field_type {
            None => found,
            Some(known) if known == found => known,
            Some(FieldType::Int | FieldType::Float) if matches!(found, FieldType::Int | FieldType::Float) => {
                FieldType::Float
            }
            Some(_) => FieldType::Text,
        });
        if let Some(parser) = parser.filter(|parser| !self.parsers.contains(parser)) {
            self.parsers.push(parser);
        }
        let has_room = self.values.len() < MOST_VALUES;
        match self.values.get_mut(value) {
            Some(count) => *count += 1,
            None if has_room => {
                self.values.insert(value.to_owned(), 1);
            }
            None => {}
        }
    }
}

impl Engine {
    /// The fields of the lines that a log query gives, of at most `params.limit` lines.
    pub fn detected_fields(
        &self,
        source: &dyn LogSource,
        ctx: &QueryContext,
        query: &LogExpr,
        params: &RangeParams,
    ) -> Result<Vec<DetectedField>, QueryError> {
        let result = self.query_range(source, ctx, &Expr::Log(query.clone()), params)?;
        let Value::Streams(streams) = result.value else { return Ok(Vec::new()) };
        let mut fields: BTreeMap<String, Seen> = BTreeMap::new();
        let mut scratch = logfields::Scratch::default();
        for stream in &streams {
            let lines = stream.entries.len();
            for label in stream.metadata.iter().chain(&stream.parsed) {
                if !label.name.starts_with("__") {
                    let seen = fields.entry(label.name.to_owned()).or_default();
                    (0..lines).for_each(|_| seen.add(label.value, None));
                }
            }
            for entry in &stream.entries {
                let mut add = |name: &str, value: &str, parser: &'static str| {
                    let name = match stream.stream.get(name) {
                        Some(_) => format!("{name}_extracted"),
                        None => name.to_owned(),
                    };
                    fields.entry(name).or_default().add(value, Some(parser));
                    std::ops::ControlFlow::Continue(())
                };
                match line_format(&entry.line) {
                    Some(LineFormat::Json) => {
                        let _ = logfields::json(&entry.line, &mut scratch, |name, value| add(name, value, "json"));
                    }
                    Some(LineFormat::Logfmt) => {
                        let options = logfields::LogfmtOptions::default();
                        let _ = logfields::logfmt(&entry.line, options, &mut scratch, |name, value| {
                            add(name, value, "logfmt")
                        });
                    }
                    None => {}
                }
            }
        }
        let detected = |(name, seen): (String, Seen)| {
            let cardinality = seen.values.len() as u64;
            let mut values: Vec<(String, u64)> = seen.values.into_iter().collect();
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let field_type = seen.field_type.unwrap_or(FieldType::Text);
            DetectedField { name, field_type, values, cardinality, parsers: seen.parsers }
        };
        Ok(fields.into_iter().map(detected).collect())
    }
}

/// How a line is written, by trying: JSON objects, then pairs of which at least one has a value.
pub fn line_format(line: &[u8]) -> Option<LineFormat> {
    let mut scratch = logfields::Scratch::default();
    let mut found = 0;
    let mut count = |_: &str, _: &str| {
        found += 1;
        std::ops::ControlFlow::Continue(())
    };
    if line.trim_ascii_start().first() == Some(&b'{') && logfields::json(line, &mut scratch, &mut count).is_ok() {
        return Some(LineFormat::Json);
    }
    found = 0;
    let mut count = |_: &str, _: &str| {
        found += 1;
        std::ops::ControlFlow::Continue(())
    };
    let options = logfields::LogfmtOptions { strict: true, keep_empty: false };
    let is_fine = logfields::logfmt(line, options, &mut scratch, &mut count).is_ok();
    (is_fine && found > 0).then_some(LineFormat::Logfmt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_types() {
        for (value, want) in [
            ("12", FieldType::Int),
            ("1.5", FieldType::Float),
            ("true", FieldType::Boolean),
            ("1m30s", FieldType::Duration),
            ("10KB", FieldType::Bytes),
            ("GET", FieldType::Text),
            ("", FieldType::Text),
        ] {
            assert_eq!(FieldType::of(value), want, "{value:?}");
        }
        assert_eq!(line_format(b"{\"a\":1}"), Some(LineFormat::Json));
        assert_eq!(line_format(b"a=1 b=\"x\""), Some(LineFormat::Logfmt));
        assert_eq!(line_format(b"plain text"), None);
    }
}
