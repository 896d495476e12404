//! The doors through which handlers see scrape targets and rules.

use std::sync::Arc;

use model::Labels;
use rules::{GroupSettings, GroupView};
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

/// A place that knows rules and whom they tell. Calls do not block for long.
pub trait RuleGroups: Send + Sync {
    /// All groups in the order of their files, as their last evaluation left them.
    fn groups(&self) -> Vec<Arc<GroupView>>;

    /// The same for rules over logs.
    fn log_groups(&self) -> Vec<Arc<GroupView>>;

    /// The groups over logs as their files have them.
    fn log_settings(&self) -> Vec<GroupSettings>;

    /// URLs that alerts are sent to, and those that relabelling dropped.
    fn alertmanagers(&self) -> (Vec<String>, Vec<String>);
}

/// No rules at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRules;

impl RuleGroups for NoRules {
    fn groups(&self) -> Vec<Arc<GroupView>> {
        Vec::new()
    }

    fn log_groups(&self) -> Vec<Arc<GroupView>> {
        Vec::new()
    }

    fn log_settings(&self) -> Vec<GroupSettings> {
        Vec::new()
    }

    fn alertmanagers(&self) -> (Vec<String>, Vec<String>) {
        (Vec::new(), Vec::new())
    }
}
