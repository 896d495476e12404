//! Blocks written, read back, matched, damaged, and read by Parquet's own reader.

mod damage;
mod matching;
mod other_readers;
mod support;
mod survival;
