//! PromQL: lexer, parser, printer, evaluator. Reads a `SeriesSource`, knows no store.

pub mod ast;
mod ast_json;
mod functions_table;
mod lexer;
mod operators;
pub mod parser;
mod printer;
pub mod testing;

pub use ast_json::ast_to_json;
pub use printer::prettify;

pub mod annotations;
pub mod engine;
mod eval;
mod functions;
