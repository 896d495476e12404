//! The scrape manager behind the API's door for targets.

use std::sync::Arc;

use api::Targets;
use model::Labels;
use scrape::{Manager, RelabelStep, ScrapeError, TargetMetadata, TargetsSnapshot};

pub(crate) struct ScrapeTargets(pub(crate) Arc<Manager>);

impl Targets for ScrapeTargets {
    fn snapshot(&self) -> TargetsSnapshot {
        self.0.targets()
    }

    fn pools(&self) -> Vec<String> {
        self.0.pools()
    }

    fn metadata(&self) -> Vec<TargetMetadata> {
        self.0.metadata()
    }

    fn relabel_steps(&self, pool: &str, labels: &Labels) -> Result<Vec<RelabelStep>, ScrapeError> {
        self.0.relabel_steps(pool, labels)
    }
}
