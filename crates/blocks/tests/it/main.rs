//! The crate from outside: catalogues that crash, buckets that fail.

#![allow(clippy::unwrap_used)] // the lint knows test functions, but not their helpers

mod buckets;
mod catalogue;
mod relocating;
mod s3;
mod shelf;
