//! Black-box tests of the exporters.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop where it stands

mod fixture;
mod peer;
