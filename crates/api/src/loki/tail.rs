//! `tail`: entries as they are stored, over a WebSocket.
//!
//! The newest entries come first, then each batch that the store has taken is asked like the store itself. A client that reads
//! too slowly misses batches, and is told so.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use hashbrown::HashMap;
use http::{HeaderMap, StatusCode, header};
use model::{LogBatch, NanoRange, Tenant};
use parking_lot::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::debug;

use super::answer::LokiError;
use super::batch_source::BatchSource;
use super::encode::{Categorize, tail_message};
use super::query::{self, Found};
use super::times;
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

/// How often a silent connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How far back a tail begins where `start` is not given, in nanoseconds.
const DEFAULT_BACKLOG: i64 = 3_600_000_000_000;

/// Tails that are open, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Tails(Mutex<HashMap<Tenant, u64>>);

/// Counts a tail for as long as it lives.
struct OnList {
    logs: Arc<Logs>,
    tenant: Tenant,
}

impl OnList {
    fn enter(logs: &Arc<Logs>, tenant: &Tenant) -> Result<OnList, LokiError> {
        let most = logs.intake.config().limits_of(tenant).max_concurrent_tail_requests;
        let mut open = logs.tails.0.lock();
        let count = open.entry(tenant.clone()).or_default();
        if most > 0 && *count >= most {
            let text = format!("max concurrent tail requests limit exceeded, count > limit ({} > {most})", *count + 1);
            return Err(LokiError::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        *count += 1;
        Ok(OnList { logs: logs.clone(), tenant: tenant.clone() })
    }
}

impl Drop for OnList {
    fn drop(&mut self) {
        let mut open = self.logs.tails.0.lock();
        if let Some(count) = open.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

/// What a client wants to follow.
struct Tail {
    query: String,
    tenant: Tenant,
    /// Entries before this time, in nanoseconds, are of no interest.
    start: i64,
    limit: u64,
    categorize: Categorize,
}

pub(crate) async fn tail(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    params: Params,
) -> Response {
    let opened = open(&logs, tenant, &headers, &params);
    let (tail, on_list) = match opened {
        Ok(opened) => opened,
        Err(error) => return error.into_response(),
    };
    let Ok(upgrade) = upgrade else {
        return LokiError::bad("websocket: the client is not using the websocket protocol").into_response();
    };
    upgrade.on_upgrade(move |socket| async move {
        let logs = on_list.logs.clone();
        follow(&logs, &tail, socket).await;
        drop(on_list);
    })
}

fn open(logs: &Arc<Logs>, tenant: Tenant, headers: &HeaderMap, params: &Params) -> Result<(Tail, OnList), LokiError> {
    // A page of another site can open a WebSocket without asking for leave.
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
    if let (Some(pattern), Some(origin)) = (&logs.doors.cors_origin, origin)
        && !pattern.is_match(origin)
    {
        return Err(LokiError::new(StatusCode::FORBIDDEN, "a page of another site may not read here"));
    }
    let query = params.get("query").to_owned();
    query::check_log_query(&query)?;
    let now = logs.intake.now();
    let start = times::time_or(params, "start", now.saturating_sub(DEFAULT_BACKLOG))?;
    let limit = times::positive(params, "limit", 100)?;
    match params.get("delay_for") {
        "" => {}
        text => {
            let delay: i64 = text.parse().map_err(|_| LokiError::bad("delay_for must be a number of seconds"))?;
            if delay > 5 {
                return Err(LokiError::bad("delay_for can't be greater than 5"));
            }
        }
    }
    let on_list = OnList::enter(logs, &tenant)?;
    Ok((Tail { query, tenant, start, limit, categorize: Categorize::of(headers) }, on_list))
}

async fn follow(logs: &Arc<Logs>, tail: &Tail, mut socket: WebSocket) {
    let mut batches = logs.sink.follow();
    let backlog = NanoRange { start: tail.start, end: i64::MAX };
    let known = match query::newest(logs, tail.tenant.clone(), &tail.query, backlog, tail.limit).await {
        Ok(mut found) => {
            found.reverse();
            found
        }
        Err(error) => return close(socket, &error.text).await,
    };
    if !known.is_empty() && send(&mut socket, tail, &known, 0).await.is_err() {
        return;
    }
    // Batches that were stored while the backlog was read may be in both.
    let mut seen: Vec<(i64, Vec<u8>)> = known.into_iter().map(|entry| (entry.time, entry.line)).collect();
    let mut pings = tokio::time::interval(PING_INTERVAL);
    loop {
        tokio::select! {
            next = next_of(&mut batches, &tail.tenant) => {
                let (batch, missed) = match next {
                    Some(next) => next,
                    None => return close(socket, "the server is stopping").await,
                };
                let mut found = match batch {
                    Some(batch) => match ask(logs, tail, batch).await {
                        Ok(found) => found,
                        Err(error) => return close(socket, &error.text).await,
                    },
                    None => Vec::new(),
                };
                found.retain(|entry| !seen.iter().any(|(time, line)| *time == entry.time && *line == entry.line));
                if batches.is_empty() {
                    seen.clear();
                }
                if (!found.is_empty() || missed > 0) && send(&mut socket, tail, &found, missed).await.is_err() {
                    return;
                }
            }
            message = socket.recv() => match message {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(_)) => {}
            },
            _ = pings.tick() => if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                return;
            },
        }
    }
}

/// The next batch of the tenant, or how many were missed; `None` once there will be no more.
async fn next_of(batches: &mut Receiver<Arc<LogBatch>>, tenant: &Tenant) -> Option<(Option<Arc<LogBatch>>, u64)> {
    loop {
        match batches.recv().await {
            Ok(batch) if batch.tenant == *tenant => return Some((Some(batch), 0)),
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => return Some((None, missed)),
            Err(RecvError::Closed) => return None,
        }
    }
}

async fn ask(logs: &Arc<Logs>, tail: &Tail, batch: Arc<LogBatch>) -> Result<Vec<Found>, LokiError> {
    let range = NanoRange { start: tail.start, end: i64::MAX };
    let source = Arc::new(BatchSource::new(batch));
    let mut found = query::newest_of(logs, source, tail.tenant.clone(), &tail.query, range, 0).await?;
    found.reverse();
    Ok(found)
}

async fn send(socket: &mut WebSocket, tail: &Tail, found: &[Found], missed: u64) -> Result<(), axum::Error> {
    if missed > 0 {
        debug!(missed, "a tail reads too slowly");
    }
    let text = tail_message(found, tail.categorize, missed);
    let text = String::from_utf8(text).unwrap_or_default();
    socket.send(Message::Text(text.into())).await
}

async fn close(mut socket: WebSocket, reason: &str) {
    // A reason of a close frame has at most 123 bytes.
    let reason = reason[..reason.floor_char_boundary(120)].to_owned();
    let frame = CloseFrame { code: close_code::ERROR, reason: reason.into() };
    let _ = socket.send(Message::Close(Some(frame))).await;
}
