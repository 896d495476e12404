//! Fields of log lines: what Loki's `json`, `unpack` and `logfmt` parsers take from a line, by name and text.
//!
//! The query language parses with these functions, and the store takes its columns with them, so a column is by
//! construction what the parser would give. Values are handed to a visitor while the line is read, as slices of it wherever
//! they need no unescaping.
//!
//! Not known here: labels, their collisions, and which fields a query wants; a visitor that has what it needs breaks off.
//!
//! Unlike Loki's, the parsers make no label without a name (of `{"": {"": 1}}`), and every value is valid UTF-8: bytes that are
//! not are blanks in values, as Loki has it for strings, and `_` in names.

mod json;
mod json_path;
mod json_text;
mod logfmt;
mod name;
mod utf8;

pub use json::{JsonError, JsonKind, JsonValue, MAX_NESTING, json, json_fields, json_object};
pub use json_path::{JsonPath, PathPart, json_paths};
pub use json_text::{string_text, unescape};
pub use logfmt::{LogfmtError, LogfmtOptions, Pairs, logfmt, logfmt_fields, pairs};
pub use name::{is_plain, sanitize};
pub use utf8::{Text, mend};

/// Buffers that parsers use again from line to line.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    name: String,
    value: String,
}

/// What a parser found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its text.
    pub value: &'a str,
    /// The name as it stands in the line, where it is not nested; else as [`Field::name`]. Of several fields with one name Loki
    /// keeps the last that is written like the first.
    pub key: &'a str,
}
