//! The shipper from outside: real files, a stand-in receiver, and what arrives there.
#![allow(clippy::unwrap_used)] // a test fails by them

mod files;
mod harness;
mod moved;
mod receiver;
mod sources;
mod speed;
mod stages;
