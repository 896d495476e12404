//! Black-box tests of the dispatcher and its receivers.

#![allow(clippy::unwrap_used)] // the lint knows test functions, but not their helpers

mod configs;
mod live;
mod never_stuck;
mod receivers;
mod scenarios;
mod smtp;
mod standin;
mod templates;
mod world;
