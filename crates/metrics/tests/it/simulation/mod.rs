//! The whole store under everything that can go wrong, thousands of times, each time from a seed.
//!
//! A history is a random sequence of what users, time and upkeep do, on a disk and before a bucket that fail in between. A
//! plain map says what must be there. What holds after every start and at the end:
//! - what was acknowledged is read exactly, once, and nothing else is;
//! - what was deleted stays away;
//! - the start succeeds, and where a damaged byte costs something the store says so;
//! - once all is quiet, only files that count are left.
//!
//! `AFFERENT_SIMULATION_SEEDS` sets how many seeds each test runs, `AFFERENT_SIMULATION_FIRST` the first of them. A failure
//! prints its seed and what was done. A seed draws the same history each time, but which bytes a crash keeps may differ, as
//! the log is written by a thread of its own.

#![allow(clippy::print_stderr)] // what was done before a failure, which may take long to show again

mod check;
mod history;
mod model;
mod steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use history::History;
use world::Kind;

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().expect("a number"))
}

fn simulate(kind: Kind, seeds: u64) {
    let first = number("AFFERENT_SIMULATION_FIRST").unwrap_or(0);
    let seeds = number("AFFERENT_SIMULATION_SEEDS").unwrap_or(seeds);
    let mut failed = Vec::new();
    let mut work = history::Work::default();
    for seed in first..first + seeds {
        let mut history = History::new(kind, seed);
        if catch_unwind(AssertUnwindSafe(|| history.run())).is_err() {
            eprintln!("--- seed {seed} of {kind:?}\n{}", history.trace.join("\n"));
            failed.push(seed);
        }
        work.add(&history.work);
    }
    assert!(failed.is_empty(), "{} of {seeds} seeds of {kind:?} failed: {failed:?}", failed.len());
    eprintln!("{kind:?}: {work:?}");
    if seeds >= 40 {
        work.assert_covers(kind);
    }
}

#[test]
fn blocks_on_this_disk() {
    simulate(Kind::Disk, 80);
}

#[test]
fn blocks_in_a_bucket() {
    simulate(Kind::Bucket, 80);
}

#[test]
fn blocks_in_a_bucket_behind_a_cache() {
    simulate(Kind::CachedBucket, 40);
}
