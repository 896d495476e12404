//! Since when alerts were pending before a restart, from `ALERTS_FOR_STATE`. Follows Prometheus' `RestoreForState`.

use std::collections::HashMap;

use model::{
    Labels, METRIC_NAME, Matcher, SampleBuffer, SelectRequest, SourceError, Tenant, TimeRange, Timestamp, is_stale,
};
use tracing::warn;

use crate::alert::Alert;
use crate::alerting::{ALERTS_FOR_STATE, Alerting};
use crate::group::{Environment, Group};
use crate::rule::Rule;

/// The last sample of a series.
type Last = (i64, f64);

impl Group {
    /// Gives alerts back the time at which their condition began to hold, where an earlier process wrote it and was away for
    /// no longer than tolerated. Prometheus does it after the second evaluation, when alerts have come back.
    pub fn restore(&mut self, environment: &Environment, at: Timestamp) {
        for rule in &mut self.rules {
            let matchers = matchers(rule);
            let Some(alerting) = &mut rule.alerting else { continue };
            if alerting.hold_ms >= environment.for_grace_period_ms && !alerting.active.is_empty() {
                match last_states(environment, &matchers, at) {
                    Ok(states) => restore_rule(alerting, &states, at, environment.for_grace_period_ms),
                    Err(error) => warn!(rule = rule.name, %error, "the state of alerts could not be restored"),
                }
            }
            alerting.restored = true;
        }
    }

    /// True where a rule still waits for its state.
    pub fn needs_restore(&self) -> bool {
        self.rules.iter().filter_map(|rule| rule.alerting.as_ref()).any(|alerting| !alerting.restored)
    }

    /// Lets the rules go on without looking for an earlier state.
    pub fn set_restored(&mut self) {
        for alerting in self.rules.iter_mut().filter_map(|rule| rule.alerting.as_mut()) {
            alerting.restored = true;
        }
    }
}

fn matchers(rule: &Rule) -> Vec<Matcher> {
    let mut matchers =
        vec![Matcher::equal(METRIC_NAME, ALERTS_FOR_STATE), Matcher::equal("alertname", rule.name.as_str())];
    let Some(alerting) = &rule.alerting else { return matchers };
    let plain = alerting.labels.iter().filter(|(_, text)| text.is_plain());
    matchers.extend(plain.map(|(name, _)| Matcher::equal(name.as_str(), rule.labels.get(name).unwrap_or_default())));
    matchers
}

/// The last sample of each series in the time that may be restored, by the alert's labels. A series whose last sample says
/// that the alert was gone has none.
fn last_states(
    environment: &Environment,
    matchers: &[Matcher],
    at: Timestamp,
) -> Result<HashMap<Labels, Last>, SourceError> {
    let range = TimeRange { start: at.plus_ms(-environment.outage_tolerance_ms), end: at };
    let tenant = Tenant::default();
    let request = SelectRequest { tenant: &tenant, matchers, range, projection: None, memory: None };
    let set = environment.states.select(&request)?;
    let mut states = HashMap::new();
    let mut samples = SampleBuffer::default();
    for index in 0..set.len() {
        samples.clear();
        set.read_newest(index, range, &mut samples)?;
        let last = samples.timestamps.last().copied().zip(samples.values.last().copied());
        if let Some((time, value)) = last.filter(|(_, value)| !is_stale(*value)) {
            states.insert(set.labels(index).without_name(), (time, value));
        }
    }
    Ok(states)
}

fn restore_rule(alerting: &mut Alerting, states: &HashMap<Labels, Last>, at: Timestamp, grace_ms: i64) {
    let hold_ms = alerting.hold_ms;
    for alert in alerting.active.values_mut() {
        if let Some(last) = states.get(&alert.labels) {
            restore_alert(alert, *last, at, hold_ms, grace_ms);
        }
    }
}

fn restore_alert(alert: &mut Alert, (down_at, value): Last, at: Timestamp, hold_ms: i64, grace_ms: i64) {
    // Both are whole seconds, as Prometheus reads them.
    let down_at = Timestamp(down_at.div_euclid(1000) * 1000);
    let was_active_at = Timestamp(value as i64 * 1000);
    let remaining = hold_ms - (down_at.ms() - was_active_at.ms());
    alert.active_at = if remaining <= 0 {
        // It fired before and fires again at the next evaluation.
        was_active_at
    } else if remaining < grace_ms {
        at.plus_ms(grace_ms - hold_ms)
    } else {
        was_active_at.plus_ms(at.ms() - down_at.ms())
    };
}
