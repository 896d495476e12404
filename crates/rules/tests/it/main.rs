//! Integration tests: rule files, unit tests against promtool, evaluation under a virtual clock, sending.

mod evaluation;
mod files;
mod fuzz;
mod sending;
mod support;
mod unit_tests;
