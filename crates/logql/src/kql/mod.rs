//! KQL, the language of Kibana's search box: `level:ERROR and user.id:42 and "connection reset"`.
//!
//! A search is a stage of a pipeline (`{app="shop"} | kql "..."`), so it goes wherever LogQL goes; by itself it is over all
//! streams ([`log_expr`]). Words that every line must have are looked for as line filters are, and conditions on fields are
//! answered from columns where pages have them.
//!
//! A field is a label of the stream, structured metadata, or a field of a JSON or logfmt line, under the name that LogQL's parsers
//! give it: `user.id` is `user_id`. Labels of the answer stay those of the stream: a search only filters.

mod parser;
mod printer;

use crate::syntax::ast::{Comparison, LineFilter, LineMatch, LineOp, LogExpr, Stage};

pub use parser::{KqlError, parse};

/// Words of this length or longer with a digit in them are taken for ids, and looked for as they are written: that is fast.
const ID_LENGTH: usize = 12;

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub enum Kql {
    /// `*`, or nothing: all lines.
    All,
    /// All of them.
    And(Vec<Kql>),
    /// One of them.
    Or(Vec<Kql>),
    /// Not this.
    Not(Box<Kql>),
    /// A text somewhere in the line.
    Text(Glob),
    /// A condition on a field.
    Field(FieldName, FieldTest),
}

/// A text with gaps: the pieces between the stars of `conn*reset`. One piece is a text without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(pub Vec<String>);

/// Which field is meant: its name as it is written, and perhaps stars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName(pub Glob);

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldTest {
    /// `field:*`
    Exists,
    /// `field:value`
    Is(Glob),
    /// `field >= 500`
    Compare(Comparison, String),
}

impl Glob {
    /// A text without gaps.
    pub fn text(text: impl Into<String>) -> Self {
        Glob(vec![text.into()])
    }

    /// The text, if there are no gaps.
    pub fn as_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [text] => Some(text),
            _ => None,
        }
    }

    /// True for a star alone.
    pub fn is_anything(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(String::is_empty)
    }

    /// An id: case does not come into it.
    pub(crate) fn is_id(&self) -> bool {
        self.as_text().is_some_and(|text| {
            text.len() >= ID_LENGTH
                && text.bytes().any(|b| b.is_ascii_digit())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
    }

    /// An expression that finds it in a text; a gap is `gap`.
    pub(crate) fn pattern(&self, gap: &str) -> String {
        self.0.iter().map(|piece| regex::escape(piece)).collect::<Vec<_>>().join(gap)
    }
}

impl Kql {
    /// Filters that every line that is found passes, as far as they need nothing but the line.
    pub(crate) fn line_filters(&self) -> Vec<LineFilter> {
        match self {
            Kql::And(all) => all.iter().flat_map(Kql::line_filters).collect(),
            Kql::Text(glob) => vec![line_filter(glob, false)],
            Kql::Not(inner) => match &**inner {
                Kql::Text(glob) => vec![line_filter(glob, true)],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// What is left to ask of a line that passes [`Kql::line_filters`].
    pub(crate) fn rest(&self) -> Kql {
        match self {
            Kql::Text(_) => Kql::All,
            Kql::Not(inner) if matches!(**inner, Kql::Text(_)) => Kql::All,
            Kql::And(all) => {
                let mut rest: Vec<Kql> = all.iter().map(Kql::rest).filter(|kql| *kql != Kql::All).collect();
                match rest.len() {
                    0 => Kql::All,
                    1 => rest.remove(0),
                    _ => Kql::And(rest),
                }
            }
            other => other.clone(),
        }
    }
}

fn line_filter(glob: &Glob, negated: bool) -> LineFilter {
    let (op, text) = match (glob.as_text().filter(|_| glob.is_id()), negated) {
        (Some(id), false) => (LineOp::Contains, id.to_owned()),
        (Some(id), true) => (LineOp::NotContains, id.to_owned()),
        (None, false) => (LineOp::Regex, text_pattern(glob)),
        (None, true) => (LineOp::NotRegex, text_pattern(glob)),
    };
    LineFilter { op, alternatives: vec![LineMatch { is_ip: false, text }] }
}

/// The expression that finds a text in a line. A star stands for what is no blank.
pub(crate) fn text_pattern(glob: &Glob) -> String {
    format!("(?i){}", glob.pattern("\\S*"))
}

/// A search over all streams.
pub fn log_expr(text: &str) -> Result<LogExpr, KqlError> {
    Ok(LogExpr { matchers: Vec::new(), stages: vec![Stage::Search(parse(text)?)] })
}
