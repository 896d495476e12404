//! Black-box tests: the real binary on free loopback ports, with a temporary data directory.

mod clients;
mod commands;
mod crash;
mod differential;
mod harness;
mod lifecycle;
mod reloading;
