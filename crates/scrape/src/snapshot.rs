//! What the outside sees of targets at one moment; named and shaped for `/api/v1/targets` and the Targets page.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Labels, Metadata, Timestamp};

/// What the last scrape said of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetHealth {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape worked.
    Up,
    /// The last scrape failed.
    Down,
}

impl TargetHealth {
    /// The word in Prometheus' API.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetHealth::Unknown => "unknown",
            TargetHealth::Up => "up",
            TargetHealth::Down => "down",
        }
    }
}

/// A target that is scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveTarget {
    /// Job name of the scrape configuration.
    pub scrape_pool: String,
    /// What is fetched.
    pub scrape_url: String,
    /// The same with a local host name replaced by the one of [`crate::Options::external_url`].
    pub global_url: String,
    /// Labels before relabelling.
    pub discovered_labels: Labels,
    /// Labels that its series carry.
    pub labels: Labels,
    /// Why the last scrape failed; empty where it did not.
    pub last_error: String,
    /// What the last scrape lost although it did not fail, such as samples too far in the future; empty for nothing.
    pub last_warning: String,
    /// When the last scrape began.
    pub last_scrape: Option<Timestamp>,
    /// How long it took, in seconds.
    pub last_scrape_duration: f64,
    /// Samples in the last scrape, before relabelling.
    pub last_scrape_samples: u64,
    /// How it went.
    pub health: TargetHealth,
    /// Time between scrapes, as Prometheus writes durations.
    pub scrape_interval: String,
    /// Longest time that a scrape may take, likewise.
    pub scrape_timeout: String,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedTarget {
    /// Job name of the scrape configuration.
    pub scrape_pool: String,
    /// Labels before relabelling.
    pub discovered_labels: Labels,
}

/// All targets at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetsSnapshot {
    /// Scraped targets, by pool, then by URL.
    pub active: Vec<ActiveTarget>,
    /// Dropped targets, at most `keep_dropped_targets` of each pool.
    pub dropped: Vec<DroppedTarget>,
    /// Number of all dropped targets by pool.
    pub dropped_counts: BTreeMap<String, usize>,
    /// By pool what keeps it from having its targets: settings that cannot be used, discovery that fails. Pools without such
    /// trouble are not listed.
    pub troubles: BTreeMap<String, Vec<String>>,
}

/// A metric family and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FamilyMetadata {
    /// Name of the family.
    pub family: String,
    /// Type, help, unit.
    pub metadata: Metadata,
}

/// The metric families that one target exposed lately.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetMetadata {
    /// Job name of the scrape configuration.
    pub scrape_pool: String,
    /// Labels that the target's series carry.
    pub labels: Labels,
    /// Families, in the order in which the target exposes them.
    pub families: Arc<[Arc<FamilyMetadata>]>,
}

/// What one relabelling rule did.
#[derive(Clone, Debug)]
pub struct RelabelStep {
    /// The rule.
    pub rule: config::RelabelConfig,
    /// Labels after the rule, empty once the target is dropped.
    pub output: Labels,
    /// False from the rule on that dropped the target.
    pub keep: bool,
}
