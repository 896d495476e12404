//! Silences with what Alertmanager has not: what they would keep quiet, recurrence, reminders, limits.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alerting::{Event, EventKind, Fingerprint, Recurrence, Silence, SilenceError, SilenceMatcher};
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use model::{Labels, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Filter, read_time, silences as api_v2, time_text};
use super::{DEFAULT_DAYS, alerting, aside, checked_days, internal, read, span};
use crate::answer::{Answer, success};
use crate::errors::{ApiError, ErrorKind};
use crate::state::Api;

/// Alerts of one kind that a preview shows.
const MOST_SHOWN: usize = 1000;
const MINUTE_MS: i64 = 60_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    #[serde(default)]
    id: String,
    matchers: Vec<SilenceMatcher>,
    #[serde(default)]
    starts_at: String,
    #[serde(default)]
    ends_at: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    recurrence: Option<PostableRecurrence>,
    #[serde(default)]
    remind_minutes: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableRecurrence {
    #[serde(default)]
    weekdays: Vec<String>,
    start: String,
    end: String,
    time_zone: String,
    #[serde(default)]
    until: Option<String>,
}

fn refuse(error: &SilenceError) -> ApiError {
    match error {
        SilenceError::NotFound => ApiError::new(ErrorKind::NotFound, error.to_string()),
        _ => ApiError::bad_data(error.to_string()),
    }
}

fn time(name: &str, text: &str) -> Result<Option<Timestamp>, ApiError> {
    read_time(text).map_err(|error| ApiError::parameter(name, error))
}

impl Postable {
    fn into_silence(self, now: Timestamp) -> Result<Silence, ApiError> {
        for (name, text) in [("createdBy", &self.created_by), ("comment", &self.comment)] {
            if text.trim().is_empty() {
                return Err(ApiError::bad_data(format!("`{name}` must not be empty: others will want to know")));
            }
        }
        let recurrence = match self.recurrence {
            Some(posted) => Some(Recurrence {
                weekdays: posted.weekdays,
                start: posted.start,
                end: posted.end,
                time_zone: posted.time_zone,
                until: time("until", posted.until.as_deref().unwrap_or(""))?,
            }),
            None => None,
        };
        let (starts_at, ends_at) = (time("startsAt", &self.starts_at)?, time("endsAt", &self.ends_at)?);
        let window = match (&recurrence, starts_at, ends_at) {
            (Some(recurrence), None, None) => {
                recurrence.validate(now).map_err(ApiError::bad_data)?;
                recurrence.window(now)
            }
            (_, starts_at, Some(ends_at)) => Some((starts_at.unwrap_or(now), ends_at)),
            _ => None,
        };
        let (starts_at, ends_at) =
            window.ok_or_else(|| ApiError::bad_data("`endsAt` or `recurrence` must say when the silence ends"))?;
        if starts_at >= ends_at {
            return Err(ApiError::bad_data("start time must be before end time"));
        }
        Ok(Silence {
            id: self.id,
            matchers: self.matchers,
            starts_at,
            ends_at,
            created_by: self.created_by,
            comment: self.comment,
            annotations: self.annotations.unwrap_or_default(),
            recurrence,
            remind_ms: self.remind_minutes.map(|minutes| minutes.saturating_mul(MINUTE_MS)),
            ..Silence::default()
        })
    }
}

/// Makes or edits a silence.
pub(super) async fn set(State(api): State<Arc<Api>>, body: Bytes) -> Answer {
    let alerting = alerting(&api)?;
    let silence = read::<Postable>(&body)?.into_silence(alerting.clock().now())?;
    let done = alerting.change(|engine, now| engine.set_silence(silence, now)).await.map_err(internal)?;
    success(&json!({"silenceID": done.map_err(|error| refuse(&error))?}))
}

/// Ends a silence with its recurrence.
pub(super) async fn expire(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    let done = alerting(&api)?.change(|engine, now| engine.expire_silence(&id, now)).await.map_err(internal)?;
    done.map_err(|error| refuse(&error))?;
    success(&json!({}))
}

/// What is asked of silences.
pub(super) async fn limits(State(api): State<Arc<Api>>) -> Answer {
    let limits = alerting(&api)?.read(|engine, _| engine.setup().silences);
    let most = limits.max_duration.map(|most| most.ms());
    success(&json!({"maxDurationMs": most, "requireComment": limits.require_comment}))
}

/// Silences, those in force first.
pub(super) async fn list(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Answer {
    let alerting = alerting(&api)?;
    let query = query.unwrap_or_default();
    let filter = Filter::read(&query, alerting.options().syntax).map_err(ApiError::bad_data)?;
    let state = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state").map(|(_, value)| value);
    let found = alerting.read(|engine, now| {
        let mut all = api_v2::filtered(engine, &filter, now);
        all.retain(|silence| state.as_ref().is_none_or(|state| silence.state(now).as_str() == state));
        let alerts = &engine.state().alerts;
        let firing: Vec<&Labels> =
            alerts.values().filter(|alert| !alert.resolved_at(now)).map(|alert| &alert.labels).collect();
        all.iter().map(|silence| shown(silence, &firing, now)).collect::<Vec<Value>>()
    });
    success(&found)
}

fn shown(silence: &Silence, firing: &[&Labels], now: Timestamp) -> Value {
    let mut out = api_v2::silence_json(silence, now);
    out["recurrence"] = silence.recurrence.as_ref().map_or(Value::Null, |recurrence| {
        json!({
            "weekdays": recurrence.weekdays, "start": recurrence.start, "end": recurrence.end,
            "timeZone": recurrence.time_zone, "until": recurrence.until.map(time_text),
        })
    });
    let next = silence.next_window(now);
    out["nextStartsAt"] = json!(next.map(|(start, _)| time_text(start)));
    out["nextEndsAt"] = json!(next.map(|(_, end)| time_text(end)));
    out["remindMinutes"] = json!(silence.remind_ms.map(|before| before / MINUTE_MS));
    out["matching"] = json!(firing.iter().filter(|labels| silence.matches(labels)).count());
    out
}

#[derive(Deserialize)]
struct Asked {
    matchers: Vec<SilenceMatcher>,
    #[serde(default)]
    days: Option<u64>,
}

/// An alert that fired.
#[derive(Default)]
struct Fired {
    labels: Labels,
    times: usize,
    last_at: Timestamp,
}

/// What a silence would keep quiet now and would have.
pub(super) async fn preview(State(api): State<Arc<Api>>, body: Bytes) -> Answer {
    let alerting = alerting(&api)?;
    let asked: Asked = read(&body)?;
    let days = checked_days(asked.days.unwrap_or(DEFAULT_DAYS))?;
    let mut silence = Silence { matchers: asked.matchers, ..Silence::default() };
    silence.validate(alerting.options().syntax, config::SilenceLimits::default()).map_err(ApiError::bad_data)?;
    silence.compile().map_err(ApiError::bad_data)?;
    let (now, firing) = alerting.read(|engine, now| {
        let all = engine.alerts(now);
        let count = all.len();
        let mut matching = all;
        matching.retain(|status| silence.matches(&status.alert.labels));
        (matching, count)
    });
    let (from, to) = span(alerting, days);
    let past = aside(alerting, move |alerting| {
        let mut fired: HashMap<Fingerprint, Fired> = HashMap::new();
        alerting.visit_history(from, to, &mut |event: Event| {
            if let (EventKind::Firing, Some(alert)) = (event.kind, event.alert)
                && silence.matches(&event.labels)
            {
                let known = fired.entry(alert).or_insert_with(|| Fired { labels: event.labels, ..Fired::default() });
                known.times += 1;
                known.last_at = event.at;
            }
            true
        })?;
        Ok(fired)
    });
    let mut past: Vec<(Fingerprint, Fired)> = past.await?.into_iter().collect();
    past.sort_by(|(_, a), (_, b)| b.times.cmp(&a.times).then_with(|| a.labels.cmp(&b.labels)));
    let truncated = past.len() > MOST_SHOWN || now.len() > MOST_SHOWN;
    let shown_past = past.iter().take(MOST_SHOWN).map(|(alert, fired)| {
        json!({
            "fingerprint": alert.to_string(), "labels": fired.labels, "times": fired.times, "lastAt": fired.last_at,
            "isNow": now.iter().any(|status| status.fingerprint == *alert),
        })
    });
    let shown_past: Vec<Value> = shown_past.collect();
    let shown_now = now.iter().take(MOST_SHOWN).map(|status| {
        let receivers: Vec<&str> = status.receivers.iter().map(|name| &**name).collect();
        json!({
            "fingerprint": status.fingerprint.to_string(), "labels": status.alert.labels,
            "startsAt": status.alert.starts_at, "receivers": receivers,
        })
    });
    let shown_now: Vec<Value> = shown_now.collect();
    success(&json!({"now": shown_now, "past": shown_past, "days": days, "firing": firing, "truncated": truncated}))
}
