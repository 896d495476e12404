//! Recording and alerting rules: groups that are evaluated again and again, the state of their alerts, what they write and
//! whom they tell. The rules are Prometheus' (`rules/` there): timing, staleness, restored state, templates.
//!
//! [`load`] reads and checks rule files; a [`Group`] is evaluated at a time that its caller chooses; a [`Manager`] owns running
//! groups of one language and replaces them without losing state; [`unit_test`] runs promtool's unit tests; [`Alertmanagers`] sends alerts.
//!
//! It parses [`Language`]s, evaluates them by the trait [`Queries`] alone, and knows a store by `SampleSink` and `SeriesSource`, time by `Clock`, and no HTTP
//! but the client's.

mod alert;
mod alerting;
mod alertmanager;
mod error;
mod file;
mod group;
mod language;
mod manager;
mod metrics;
mod notify;
mod query;
mod restore;
mod rule;
mod schedule;
mod template;
pub mod unit_test;
mod view;
mod write;

pub use alert::{Alert, AlertState};
pub use alertmanager::{Alertmanagers, Target};
pub use error::RulesError;
pub use file::{Duplicate, LoadedRules, check_rules, duplicates, load};
pub use group::{Environment, Group, GroupSettings};
pub use language::Language;
pub use manager::{Manager, ManagerOptions};
pub use metrics::RuleMetrics;
pub use notify::{NoNotify, Notification, Notify, notifications};
pub use query::{LogqlQueries, PromqlQueries, Queries};
pub use schedule::{eval_slot, missed_iterations};
pub use view::{AlertingView, GroupView, Health, RuleView};
