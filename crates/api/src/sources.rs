//! The door through which handlers see scrape targets.

use model::Labels;
use scrape::{RelabelStep, ScrapeError, TargetMetadata, TargetsSnapshot};

/// A place that knows scrape targets. Calls do not block for long.
pub trait Targets: Send + Sync {
    /// All targets at this moment.
    fn snapshot(&self) -> TargetsSnapshot;

    /// Job names, sorted.
    fn pools(&self) -> Vec<String>;

    /// What each active target says of its metric families.
    fn metadata(&self) -> Vec<TargetMetadata>;

    /// What each relabelling rule of a job makes of the labels.
    fn relabel_steps(&self, pool: &str, labels: &Labels) -> Result<Vec<RelabelStep>, ScrapeError>;
}
