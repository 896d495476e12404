//! The binary: command line, assembly, start and orderly stop.

fn main() {}
