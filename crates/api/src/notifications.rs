//! What an operator should know of the server right now: `/api/v1/notifications`, and the same as a live stream of events
//! (`util/notifications`).

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use http::{StatusCode, header};
use model::{Clock, Timestamp};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::answer::{Answer, success};
use crate::state::Api;
use crate::time_text::rfc3339;

/// The configuration file was unusable at the last attempt to load it.
pub const RELOAD_FAILED: &str = "Configuration reload has failed.";
/// Requests are not answered yet.
pub(crate) const STARTING: &str = "Afferent is starting and replaying the write-ahead log (WAL).";
/// Requests are not answered any more.
pub(crate) const STOPPING: &str = "Afferent is shutting down and gracefully stopping all operations.";

/// Streams that may be open at a time (Prometheus' `--web.max-notifications-subscribers`).
const MAX_SUBSCRIBERS: usize = 16;
/// Events that wait for a slow reader; more are dropped.
const WAITING_EVENTS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Notification {
    text: &'static str,
    date: String,
    active: bool,
}

/// The list, and those who follow it.
#[derive(Debug)]
pub struct Notifications {
    clock: Arc<dyn Clock>,
    state: Mutex<Followed>,
    subscribers: Gauge,
    sent: Counter,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Followed {
    active: Vec<Notification>,
    followers: Vec<Sender<Notification>>,
    is_closed: bool,
}

impl Notifications {
    /// An empty list.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Notifications {
            clock,
            state: Mutex::default(),
            subscribers: Gauge::default(),
            sent: Counter::default(),
            dropped: Counter::default(),
        })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "prometheus_api_notification_active_subscribers",
            "The current number of active notification subscribers",
            self.subscribers.clone(),
        );
        registry.register(
            "prometheus_api_notification_updates_sent",
            "Total number of notification updates sent",
            self.sent.clone(),
        );
        registry.register(
            "prometheus_api_notification_updates_dropped",
            "Total number of notification updates dropped",
            self.dropped.clone(),
        );
    }

    /// Adds a notification, or renews the date of one that is there.
    pub fn add(&self, text: &'static str) {
        let added = Notification { text, date: self.now(), active: true };
        let mut state = self.state.lock();
        match state.active.iter_mut().find(|known| known.text == text) {
            Some(known) => *known = added.clone(),
            None => state.active.push(added.clone()),
        }
        self.tell(&mut state, &added);
    }

    /// Takes a notification away, if it is there.
    pub fn remove(&self, text: &str) {
        let mut state = self.state.lock();
        let Some(at) = state.active.iter().position(|known| known.text == text) else { return };
        let removed = Notification { active: false, ..state.active.remove(at) };
        self.tell(&mut state, &removed);
    }

    /// Ends all streams, so that they do not hold up the end of the server.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.followers.clear();
        self.subscribers.set(0);
    }

    fn now(&self) -> String {
        let Timestamp(ms) = self.clock.now();
        rfc3339(Timestamp(ms))
    }

    fn tell(&self, state: &mut Followed, notification: &Notification) {
        state.followers.retain(|follower| !follower.is_closed());
        self.subscribers.set(state.followers.len() as i64);
        for follower in &state.followers {
            self.sent.inc();
            if follower.try_send(notification.clone()).is_err() {
                self.dropped.inc();
            }
        }
    }

    /// What is active, then what changes; `None` where too many follow already.
    fn follow(&self) -> Option<Receiver<Notification>> {
        let mut state = self.state.lock();
        state.followers.retain(|follower| !follower.is_closed());
        if state.is_closed || state.followers.len() >= MAX_SUBSCRIBERS {
            return None;
        }
        let (follower, events) = channel(WAITING_EVENTS);
        for notification in &state.active {
            // There are fewer texts than places.
            let _ = follower.try_send(notification.clone());
        }
        state.followers.push(follower);
        self.subscribers.set(state.followers.len() as i64);
        Some(events)
    }
}

pub(crate) async fn list(State(api): State<Arc<Api>>) -> Answer {
    let active = api.parts.notifications.state.lock().active.clone();
    success(&active)
}

/// Server-sent events. Compression would hold them back, and is told so by the content type.
pub(crate) async fn live(State(api): State<Arc<Api>>) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    let Some(events) = api.parts.notifications.follow() else {
        return (StatusCode::NO_CONTENT, headers).into_response();
    };
    let events = stream::unfold(events, |mut events| async move { Some((events.recv().await?, events)) });
    let lines = events.map(|event| {
        let json = serde_json::to_string(&event).unwrap_or_default();
        Ok::<_, Infallible>(format!("data: {json}\n\n"))
    });
    (headers, Body::from_stream(lines)).into_response()
}
