//! PromQL's functions, by theme.

pub(crate) mod date;
