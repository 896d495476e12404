//! The door to whoever is told of alerts.

use model::{Labels, Timestamp};

use crate::alert::Alert;
use crate::group::Environment;

/// An alert as receivers of notifications see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What identifies it, without external labels.
    pub labels: Labels,
    /// What it says.
    pub annotations: Labels,
    /// Since when it fires.
    pub starts_at: Timestamp,
    /// When it ended, or until when it counts as firing unless it is sent again.
    pub ends_at: Timestamp,
    /// Where its expression can be looked at.
    pub generator_url: String,
}

/// A place that takes alerts. The call does not block.
pub trait Notify: Send + Sync {
    /// Takes alerts that fire or were resolved.
    fn notify(&self, alerts: Vec<Notification>);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNotify;

impl Notify for NoNotify {
    fn notify(&self, _: Vec<Notification>) {}
}

/// The alerts that are due to be sent, marked as sent. Prometheus: an alert that is sent once in `resend_delay` may miss three
/// times before it counts as resolved.
pub fn notifications<'a>(
    alerts: impl Iterator<Item = &'a mut Alert>,
    expr: &str,
    at: Timestamp,
    interval_ms: i64,
    environment: &Environment,
) -> Vec<Notification> {
    let mut out = Vec::new();
    for alert in alerts {
        if !alert.needs_sending(at, environment.resend_delay_ms) {
            continue;
        }
        let valid_until = at.plus_ms(4 * interval_ms.max(environment.resend_delay_ms));
        alert.last_sent_at = Some(at);
        alert.valid_until = Some(valid_until);
        out.push(Notification {
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at: alert.fired_at.unwrap_or(alert.active_at),
            ends_at: alert.resolved_at.unwrap_or(valid_until),
            generator_url: generator_url(&environment.external_url, expr),
        });
    }
    out
}

/// Prometheus' link to the table of an expression.
fn generator_url(external_url: &str, expr: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect();
    format!("{}/graph?g0.expr={query}&g0.tab=1", external_url.trim_end_matches('/'))
}
