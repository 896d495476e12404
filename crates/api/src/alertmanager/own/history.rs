//! The history, page by page, and what is counted from it.

use std::sync::Arc;

use alerting::{Event, Place, Question};
use axum::extract::State;
use model::Labels;
use serde_json::json;

use super::{alerting, aside, days, fingerprint, internal, span};
use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::params::{MAX_TIME_MS, Params};
use crate::state::Api;

const DEFAULT_EVENTS: usize = 1000;
const MOST_EVENTS: usize = 10_000;

/// The receiver of an integration: `team-x/webhook[0]`. Events of groups name the receiver alone.
fn is_of(event: &Event, receiver: &str) -> bool {
    event.receiver == receiver || event.receiver.rsplit_once('/').is_some_and(|(name, _)| name == receiver)
}

/// Events, the newest first.
pub(super) async fn history(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let alerting = alerting(&api)?;
    let from = params.time_or("start", 0)?;
    let to = params.time_or("end", MAX_TIME_MS)?;
    let limit = Some(params.limit()?).filter(|limit| *limit > 0).unwrap_or(DEFAULT_EVENTS).min(MOST_EVENTS);
    let before = match params.get("cursor") {
        "" => None,
        text => {
            let place = Place::parse(text);
            Some(place.ok_or_else(|| ApiError::parameter("cursor", format_args!("{text:?} is no cursor")))?)
        }
    };
    let alert = match params.get("alert") {
        "" => None,
        text => Some(fingerprint(text)?),
    };
    let syntax = alerting.options().syntax;
    let mut matchers = Vec::new();
    for text in params.all("filter") {
        let parsed = config::parse_matchers(text, syntax);
        matchers.extend(parsed.map_err(|error| ApiError::parameter("filter", format_args!("{text}: {error}")))?);
    }
    let mut kinds = Vec::new();
    for text in params.all("kind").filter(|text| !text.is_empty()) {
        let kind: Result<alerting::EventKind, _> = serde_json::from_value(json!(text));
        kinds.push(kind.map_err(|_| ApiError::parameter("kind", format_args!("{text:?} is no kind of event")))?);
    }
    let text = |name: &str| Some(params.get(name).to_owned()).filter(|text| !text.is_empty());
    let (receiver, integration, group) = (text("receiver"), text("integration"), text("group"));
    let (name, silence, by) = (text("alertname"), text("silence"), text("by"));
    let page = aside(alerting, move |alerting| {
        let fits = |labels: &Labels| {
            !labels.is_empty() && matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")))
        };
        let takes = |event: &Event| {
            (kinds.is_empty() || kinds.contains(&event.kind))
                && alert.is_none_or(|alert| event.alert == Some(alert) || event.alerts.contains(&alert))
                && (matchers.is_empty() || fits(&event.labels))
                && receiver.as_ref().is_none_or(|receiver| is_of(event, receiver))
                && integration.as_ref().is_none_or(|integration| event.receiver == *integration)
                && group.as_ref().is_none_or(|group| event.group.as_deref() == Some(group))
                && name.as_ref().is_none_or(|name| event.labels.get("alertname") == Some(name))
                && silence.as_ref().is_none_or(|silence| event.silence == *silence)
                && by.as_ref().is_none_or(|by| event.by == *by)
        };
        alerting.history(&Question { from, to, limit, before, takes: &takes })
    });
    let page = page.await?;
    success(&json!({"events": page.events, "next": page.next.map(|place| place.to_string())}))
}

/// What fires most and helps least.
pub(super) async fn noise(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let alerting = alerting(&api)?;
    let days = days(&params)?;
    let (from, to) = span(alerting, days);
    let noise = aside(alerting, move |alerting| alerting.noise(from, to)).await?;
    let mut out = serde_json::to_value(noise).map_err(internal)?;
    out["days"] = json!(days);
    success(&out)
}
