//! PromQL: lexer, parser, printer, evaluator. Reads a `SeriesSource`, knows no store.

pub mod ast;
mod functions_table;
mod operators;

pub mod annotations;
pub mod engine;
mod functions;
