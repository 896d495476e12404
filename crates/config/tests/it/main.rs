//! Black-box tests of configuration files.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop where it stands

mod cases;
mod fuzz;
mod loading;
mod loki;
mod promtail;
