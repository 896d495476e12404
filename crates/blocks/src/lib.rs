//! What the metric, log and trace stores share below their own formats: files that can be made to fail in a test
//! ([`disk`], [`faults`]), the write-ahead log ([`wal`]), the places where blocks lie ([`files`]), the list of the blocks
//! that count ([`catalogue`]), their open files ([`shelf`]), and which of them should become one or go ([`plan`]).
//!
//! It knows bytes, tenants and ranges of time, not samples, lines or spans.

pub mod bytes;
pub mod cache;
pub mod catalogue;
pub mod disk;
pub mod faults;
pub mod files;
pub mod patience;
pub mod plan;
pub mod shelf;
pub mod wal;
