//! The language from outside, judged by what a real Loki answered.

#![allow(clippy::unwrap_used)] // the lint knows test functions, but not their helpers

mod bombs;
mod cases;
mod evaluate;
mod fuzz;
mod kql;
mod lines;
mod memory;
mod parse;
mod pushdown;
mod shared;
mod sparse;
