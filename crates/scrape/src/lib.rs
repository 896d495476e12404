//! Discovery, relabelling, scraping, exposition parsers: how samples are pulled from targets.
//!
//! [`Manager`] is the front door: it is given a configuration ([`Manager::apply`], also for hot reloads), finds targets,
//! scrapes them and writes to a [`model::SampleSink`]. [`Manager::targets`] says how that goes. The parsers in
//! [`exposition`] and the rules in [`relabel`] stand on their own, because pushes and tests use them too.
//!
//! The behaviour is that of Prometheus 3. The crate knows no store, no query and no HTTP server.

mod cache;
mod discovery;
mod error;
pub mod exposition;
mod failure_log;
mod families;
mod fetch;
mod ingest;
mod manager;
mod metrics;
mod pool;
pub mod relabel;
mod scrape_loop;
mod snapshot;
mod target;

pub use error::ScrapeError;
pub use manager::{Manager, Options, check};
pub use snapshot::{
    ActiveTarget, DroppedTarget, FamilyMetadata, RelabelStep, TargetHealth, TargetMetadata, TargetsSnapshot,
};
