//! Remote write, the sending side: what the store takes is kept in a log of its own until every configured receiver has it.
//!
//! ```text
//! batch -> store -> acknowledged by the store -> outbox (log on disk) -> acknowledged to the producer
//! outbox -> queue of each receiver: relabel -> shards by series -> requests, repeated until taken -> position on disk
//! ```
//!
//! A receiver that is away for hours costs disk, not samples; a restart goes on where the last request was confirmed. It knows
//! no store: it stands between producers and any [`model::SampleSink`].

mod forward;
mod message;
mod metrics;
mod outbox;
mod push;
mod queue;
mod send;
mod senders;
mod series;

pub use forward::{Forwarding, KnownLabels};
pub use push::{Push, Pushed};
pub use senders::{MetadataSource, Senders, SendersOptions};
pub use series::RemoteError;
