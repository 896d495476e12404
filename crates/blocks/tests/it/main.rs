//! The crate from outside: catalogues that crash, buckets that fail.

#![allow(clippy::unwrap_used)]

mod catalogue;
