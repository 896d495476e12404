//! The store from outside: what is acknowledged is there, whatever happens to the disk or to the process.

#![allow(clippy::unwrap_used)] // the lint knows test functions, but not their helpers

mod basics;
mod compacting;
mod cuts;
mod deletions;
mod eviction;
mod faults;
mod flushing;
mod held;
mod importing;
mod kill;
mod losses;
mod merging;
mod outage;
mod readers;
mod restarts;
mod simulation;
mod snapshots;
mod support;
mod together;
