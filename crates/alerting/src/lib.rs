//! What Alertmanager does: alerts are grouped by routes, inhibited, silenced, muted by times, told to receivers and told as ended.
//!
//! [`Engine`] is the dispatcher as a state machine over a clock that its caller owns; [`State`] is all that it keeps and
//! [`Change`] the only way in which that changes, so that a journal of changes is the whole truth after a kill. [`Alerting`] puts both to work.
//!
//! It knows no HTTP but the client's, and no store.

mod alert;
pub mod engine;
mod error;
mod event;
mod history;
mod incidents;
mod inhibit;
mod journal;
mod message;
mod metrics;
mod noise;
mod notice;
mod pairs;
mod receivers;
mod recurrence;
mod report;
mod routes;
mod service;
mod setup;
mod silence;
mod state;
mod templates;
mod whatif;

pub use alert::{Alert, Fingerprint, message_order};
pub use engine::{
    AlertStatus, Delivery, Engine, Explanation, GroupExplanation, GroupedAlerts, IntegrationExplanation,
    IntegrationHealth, Mute, Outcome, Refused, RouteStep, SilenceError, StatusOf, Waiting,
};
pub use error::AlertingError;
pub use event::{Event, EventKind};
pub use history::{Page, Place, Question};
pub use message::Message;
pub use metrics::AlertingMetrics;
pub use noise::{Noise, NoisyAlert, ReceiverLoad};
pub use notice::{IntegrationId, Notice, Reason, needs_update};
pub use receivers::Receiver;
pub use recurrence::Recurrence;
pub use report::Report;
pub use routes::{Route, Routes, label_set_text};
pub use service::{Alerting, AlertingOptions, Prepared};
pub use setup::{Integration, Setup};
pub use silence::{Silence, SilenceMatcher, SilenceState};
pub use state::{Acknowledgement, Change, DeadLetter, Group, Pending, State, ToldAlert};
pub use templates::{Templates, default_templates, email_templates};
pub use whatif::{AlertChange, Comparison, Past, Piece, ReceiverChange, ReceiverCount, compare};
