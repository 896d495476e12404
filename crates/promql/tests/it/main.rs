//! Tests of the crate from outside, in one binary.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // helpers of tests may fail and speak

mod differential;
mod engine;
mod explain;
mod fuzz;
mod generate;
mod promqltest;
mod syntax;
