//! Black-box tests: the real binary on free loopback ports, with a temporary data directory.

mod crash;
mod differential;
mod harness;
