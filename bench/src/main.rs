//! Workloads that measure the product and print figures. They assert nothing.

fn main() {}
