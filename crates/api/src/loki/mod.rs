//! Loki's HTTP interface beside its pushes.

mod answer;
pub(crate) mod delete;
pub(crate) mod index;
pub(crate) mod labels;
mod lookup;
mod measure;
pub(crate) mod status;
mod times;
