//! Built-in exporters, under the names that the well-known exporters use.
//!
//! An exporter here is a plain value with `gather`, which writes Prometheus text exposition; who serves it over HTTP is no
//! business of this crate. Linux only.

mod exposition;
pub mod host;
