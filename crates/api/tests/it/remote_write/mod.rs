//! The remote write receiver: messages made by an independent encoder, hostile bytes, and real senders.

mod fuzz;
pub(crate) mod memory_sink;
pub(crate) mod proto;
mod refusals;
mod requests;
mod senders;
mod store;
