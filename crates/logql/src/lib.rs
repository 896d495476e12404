//! LogQL: lexer, parser, printer, pipeline, evaluator. Reads a `model::LogSource`, knows no store and no HTTP.
//!
//! [`parse`] and [`format`] read and write queries; [`Engine`] answers them. A query is planned before it is run: what the
//! headers of pages, their times or a column can tell is not read from lines.

pub mod engine;
mod error;
mod eval;
pub mod fields;
pub mod kql;
mod pattern;
pub mod patterns;
mod pipeline;
mod regexes;
mod sieve;
pub mod syntax;
mod units;
pub mod value;
mod vector_math;

pub use engine::{
    CancelFlag, Direction, Engine, EngineOptions, Progress, QueryContext, QueryResult, QueryStats, RangeParams,
};
pub use error::QueryError;
pub use pipeline::{Category, StageError};
pub use sieve::Sieve;
pub use syntax::{ParseError, ast, format, parse, parse_log, parse_matchers};
pub use value::{LogLine, LogStream, MatrixSeries, Value, VectorSample};
