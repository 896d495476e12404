//! Discovery, relabelling, scraping, exposition parsers: how samples are pulled from targets.
//!
//! The behaviour is that of Prometheus 3. The crate knows no store, no query and no HTTP server.

mod error;
mod snapshot;

pub use error::ScrapeError;
pub use snapshot::{ActiveTarget, DroppedTarget, FamilyMetadata, TargetHealth, TargetMetadata, TargetsSnapshot};
