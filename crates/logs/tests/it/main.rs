//! The store from outside: what was acknowledged can be read, once, whatever happens in between.

#![allow(clippy::unwrap_used)] // the lint knows test functions, but not their helpers

mod background;
mod basics;
mod bombs;
mod maintenance;
mod simulation;
mod support;
