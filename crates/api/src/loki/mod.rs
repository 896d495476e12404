//! Loki's HTTP interface beside its pushes: queries, labels, volumes, fields, patterns, live tails, deletions, status.

mod answer;
mod batch_source;
pub(crate) mod delete;
mod deletion_filter;
mod encode;
pub(crate) mod fields;
pub(crate) mod index;
pub(crate) mod labels;
mod lookup;
mod measure;
pub(crate) mod patterns;
pub(crate) mod query;
pub(crate) mod rules;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod times;

pub(crate) use answer::LokiError;
pub use deletion_filter::compile_log_filter;
