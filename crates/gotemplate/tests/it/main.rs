//! Black-box tests of the crate.
mod conformance;
mod functions;
mod fuzz;
mod limits;
mod sets;
