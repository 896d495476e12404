//! Integration tests: rule files, unit tests against promtool, evaluation under a virtual clock, sending.

#![allow(clippy::unwrap_used)] // the lint knows test functions, but not their helpers

mod evaluation;
mod files;
mod fuzz;
mod sending;
mod support;
mod unit_tests;
