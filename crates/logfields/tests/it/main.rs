//! The parsers from outside: what real lines give, and what broken ones cannot do.

mod fuzz;
mod lines;
