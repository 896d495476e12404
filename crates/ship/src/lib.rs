//! The log shipper: follows files, containers, the journal, syslog, pushes and standard input as a Promtail configuration says,
//! runs each line through its pipeline, and delivers batches to Loki's push protocol or to a [`model::LogSink`].
//!
//! Every batch goes into a buffer on disk together with how far its sources were read ([`mod@buffer`]), and is sent from there until
//! it is taken. A source is never marked as read before its lines are durable; a full buffer makes the sources wait.
//!
//! [`Shipper`] is the front door. The crate knows no store and no query language.

mod batch;
pub mod buffer;
mod deliver;
pub mod entry;
mod error;
mod files;
mod intake;
mod metrics;
pub mod pipeline;
mod positions;
mod server;
mod shipper;
mod sources;
mod stamp;
mod status;
pub mod syslog;
pub mod wire;

pub use error::ShipError;
pub use metrics::ShipMetrics;
pub use server::serve;
pub use shipper::{Destination, ShipOptions, Shipper};
pub use stamp::Stamps;
pub use status::{FileState, ReceiverState, ShipStatus, SourceState};
