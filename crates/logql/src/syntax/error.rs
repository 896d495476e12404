//! What is wrong with the text of a query, and where.

use thiserror::Error;

/// A query that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("parse error at line {line}, col {column}: {message}")]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
}

impl ParseError {
    /// An error at a byte of the text.
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        ParseError { message: message.into(), line, column }
    }
}
