//! What the metric, log and trace stores share below their own formats: files that can be made to fail in a test
//! ([`disk`], [`faults`]) and the write-ahead log ([`wal`]).
//!
//! It knows bytes, not samples, lines or spans.

pub mod disk;
pub mod faults;
pub mod wal;
