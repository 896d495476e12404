//! Alerts as Alertmanager's API v2 takes them.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use config::{NameValidation, RelabelConfig};
use model::{Labels, Timestamp};
use serde::Serialize;

use crate::notify::Notification;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert<'a> {
    annotations: &'a Labels,
    ends_at: String,
    starts_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    labels: &'a Labels,
}

/// The alerts with external labels where they have none of the name, after relabelling.
pub(super) fn relabelled(
    alerts: Vec<Notification>,
    external_labels: &Labels,
    rules: &[RelabelConfig],
    names: NameValidation,
) -> Vec<Notification> {
    let change = |mut alert: Notification| {
        let mut labels = alert.labels.to_builder();
        for label in external_labels {
            if labels.get(label.name).is_empty() {
                labels.set(label.name, label.value);
            }
        }
        if !scrape::relabel::relabel(&mut labels, rules, names) {
            return None;
        }
        alert.labels = labels.build();
        Some(alert)
    };
    alerts.into_iter().filter_map(change).collect()
}

/// The body of a post.
pub(super) fn body(alerts: &[Notification]) -> Bytes {
    let postable: Vec<PostableAlert<'_>> = alerts
        .iter()
        .map(|alert| PostableAlert {
            annotations: &alert.annotations,
            ends_at: time(alert.ends_at),
            starts_at: time(alert.starts_at),
            generator_url: &alert.generator_url,
            labels: &alert.labels,
        })
        .collect();
    Bytes::from(serde_json::to_vec(&postable).expect("texts always serialize"))
}

fn time(at: Timestamp) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(at.ms()).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
