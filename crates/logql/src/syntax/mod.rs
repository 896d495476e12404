//! The text of a query: lexer, tree, parser, printer.

pub mod ast;
mod error;
mod lexer;
mod metric;
mod parser;
mod printer;
mod stages;
mod validate;

pub use error::ParseError;
pub use parser::{MAX_QUERY_BYTES, parse, parse_log, parse_matchers};

/// The query in canonical form, as Loki prints it.
pub fn format(query: &str) -> Result<String, ParseError> {
    Ok(parse(query)?.to_string())
}
