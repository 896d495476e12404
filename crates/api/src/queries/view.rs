//! `/api/afferent/v1/queries`: the list, and the end of a query on it. The shape is described in `docs/api.md`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use http::HeaderMap;
use model::Tenant;
use serde::Serialize;

use super::{Entry, Times, shown};
use crate::answer::{Answer, success};
use crate::errors::{ApiError, ErrorKind};
use crate::state::Api;
use crate::tenant::{RequestTenant, TENANT_HEADER};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    now: i64,
    running: usize,
    queued: usize,
    max_running: usize,
    max_queued: usize,
    queries: Vec<View>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    id: String,
    state: &'static str,
    kind: &'static str,
    query: String,
    tenant: String,
    started: i64,
    elapsed_seconds: f64,
    queued_seconds: f64,
    timeout_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_seconds: Option<f64>,
    series: u64,
    samples: u64,
    memory_bytes: u64,
    peak_memory_bytes: u64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    logs: Option<LogView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// What a query of logs has read so far.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogView {
    pages: u64,
    pages_done: u64,
    lines: u64,
    bytes: u64,
}

impl LogView {
    fn of(progress: &logql::Progress) -> LogView {
        let ((pages, pages_done), (lines, bytes)) = (progress.pages(), progress.read());
        LogView { pages, pages_done, lines, bytes }
    }
}

fn view(entry: &Entry) -> View {
    let (asked, progress) = (&entry.asked, &entry.progress);
    let (time, start, end, step_ms) = match asked.times {
        Times::Instant(at) => (Some(at), None, None, None),
        Times::Range { start, end, step_ms } => (None, Some(start), Some(end), Some(step_ms)),
    };
    View {
        id: entry.id.clone(),
        state: entry.state(),
        kind: asked.kind,
        query: shown(&asked.query).to_owned(),
        tenant: asked.tenant.as_str().to_owned(),
        started: entry.started.ms(),
        elapsed_seconds: entry.since.elapsed().as_secs_f64(),
        queued_seconds: entry.queued().as_secs_f64(),
        timeout_seconds: asked.timeout.as_secs_f64(),
        time: time.map(|t| t.ms()),
        start: start.map(|t| t.ms()),
        end: end.map(|t| t.ms()),
        step_seconds: step_ms.map(|ms| ms as f64 / 1000.0),
        series: progress.series(),
        samples: progress.samples(),
        memory_bytes: progress.memory_bytes(),
        peak_memory_bytes: progress.peak_memory_bytes(),
        logs: entry.log_progress.get().map(LogView::of),
        client: asked.client.address,
        forwarded_for: asked.client.forwarded_for.clone(),
        user_agent: asked.client.user_agent.clone(),
    }
}

/// Who names a tenant sees that one alone.
fn only(headers: &HeaderMap, tenant: RequestTenant) -> Option<Tenant> {
    headers.contains_key(TENANT_HEADER).then_some(tenant.0)
}

fn find(api: &Api, id: &str, headers: &HeaderMap, tenant: RequestTenant) -> Result<Arc<Entry>, ApiError> {
    let found = api.active_queries.find(id, only(headers, tenant).as_ref());
    found.ok_or_else(|| {
        let message = format!("there is no running query {}: it may have ended", model::float::go_quote(id));
        ApiError::new(ErrorKind::NotFound, message)
    })
}

pub(crate) async fn all(State(api): State<Arc<Api>>, headers: HeaderMap, tenant: RequestTenant) -> Answer {
    let only = only(&headers, tenant);
    let entries: Vec<Arc<Entry>> = api.active_queries.entries.lock().values().cloned().collect();
    let waits = |entry: &&Arc<Entry>| entry.queued.get().is_none();
    let queued = entries.iter().filter(waits).count();
    let seen = entries.iter().filter(|entry| only.as_ref().is_none_or(|t| *t == entry.asked.tenant));
    success(&List {
        now: api.parts.clock.now().ms(),
        running: entries.len() - queued,
        queued,
        max_running: api.queries.slots(),
        max_queued: api.queries.max_waiting(),
        queries: seen.map(|entry| view(entry)).collect(),
    })
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    tenant: RequestTenant,
) -> Answer {
    success(&view(find(&api, &id, &headers, tenant)?.as_ref()))
}

pub(crate) async fn kill(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    tenant: RequestTenant,
) -> Answer {
    let entry = find(&api, &id, &headers, tenant)?;
    let before = view(&entry);
    entry.kill();
    tracing::info!(id, query = before.query, "query ended by an operator");
    success(&before)
}
