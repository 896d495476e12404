//! Black-box tests: parsers against data files, and whole managers against servers that misbehave on script.

#![allow(clippy::unwrap_used)] // this crate is nothing but tests

mod discovery;
mod exposition_cases;
mod faults;
mod fuzz;
mod harness;
mod lifecycle;
mod protobuf;
mod relabelling;
mod samples;
mod transport;
