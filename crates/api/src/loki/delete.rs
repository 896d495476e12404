//! `delete`: entries are deleted by a query and a span of time. A deletion takes effect at once; its space is freed by compaction.

use std::path::PathBuf;
use std::sync::Arc;

use ::logs::StoreError;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use config::LokiDeletion;
use http::{StatusCode, header};
use logql::ast::Stage;
use model::{Tenant, TimeRange, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::answer::{Answer, LokiError};
use super::times;
use crate::files;
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

/// Deletions that are remembered for the list; the oldest go first.
const MOST_REQUESTS: usize = 1000;

/// A deletion as the list shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Request {
    request_id: String,
    /// In seconds.
    start_time: i64,
    end_time: i64,
    query: String,
    status: String,
    /// In seconds.
    created_at: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    tenant: String,
    #[serde(flatten)]
    request: Request,
}

/// The list of deletions, kept in a file.
#[derive(Debug)]
pub(crate) struct Deletions {
    file: PathBuf,
    kept: Mutex<Vec<Kept>>,
}

impl Deletions {
    /// Reads the list; a damaged file is an empty list.
    pub(crate) fn open(file: PathBuf) -> Self {
        let kept = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Deletions { file, kept: Mutex::new(kept) }
    }

    fn add(&self, tenant: &Tenant, request: Request) {
        let mut kept = self.kept.lock();
        if kept.len() >= MOST_REQUESTS {
            kept.remove(0);
        }
        kept.push(Kept { tenant: tenant.to_string(), request });
        let text = serde_json::to_vec(&*kept).unwrap_or_default();
        // The list is for people; the deletion itself is in the store's catalogue.
        if let Err(error) = files::replace(&self.file, &text) {
            warn!(%error, file = %self.file.display(), "the list of deletions cannot be written");
        }
    }

    fn of(&self, tenant: &Tenant) -> Vec<Request> {
        let kept = self.kept.lock();
        kept.iter().filter(|kept| kept.tenant == tenant.as_str()).map(|kept| kept.request.clone()).collect()
    }
}

fn allowed(logs: &Logs, tenant: &Tenant) -> Result<(), LokiError> {
    match logs.intake.config().limits_of(tenant).deletion_mode {
        LokiDeletion::Disabled => {
            Err(LokiError::new(StatusCode::FORBIDDEN, "deletion is not available for this tenant\n"))
        }
        LokiDeletion::FilterOnly | LokiDeletion::FilterAndDelete => Ok(()),
    }
}

pub(crate) async fn add(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant, params: Params) -> Answer {
    allowed(&logs, &tenant)?;
    let query = params.get("query").to_owned();
    if query.is_empty() {
        return Err(LokiError::bad("query not set\n"));
    }
    let parsed = logql::parse_log(&query).map_err(|error| LokiError::bad(format!("invalid query: {error}\n")))?;
    if parsed.stages.iter().any(|stage| matches!(stage, Stage::Search(_))) {
        // A filter does not see the labels of the stream, and "not level:error" would mean too much.
        return Err(LokiError::bad(
            "invalid query: a deletion takes no kql stage; use label matchers and line filters\n",
        ));
    }
    let time = |name: &str, default: Option<i64>| match (params.get(name), default) {
        ("", Some(default)) => Ok(default),
        ("", None) => Err(LokiError::bad(format!("{name} time not set\n"))),
        (text, _) => times::time(text).map_err(|reason| LokiError::bad(format!("invalid {name} time: {reason}\n"))),
    };
    let now = logs.intake.now();
    let (start, end) = (time("start", None)?, time("end", Some(now))?);
    if end > now {
        return Err(LokiError::bad("deletes in the future are not allowed\n"));
    }
    if start > end {
        return Err(LokiError::bad("start time can't be greater than end time\n"));
    }
    let filter = (!parsed.stages.is_empty()).then(|| query.clone());
    let range = TimeRange { start: Timestamp(start.div_euclid(1_000_000)), end: Timestamp(end.div_euclid(1_000_000)) };
    let request_id =
        format!("{:08x}", xxhash_rust::xxh3::xxh3_64(format!("{query} {start} {end} {now}").as_bytes()) as u32);
    let request = Request {
        request_id,
        start_time: start.div_euclid(1_000_000_000),
        end_time: end.div_euclid(1_000_000_000),
        query,
        status: "processed".to_owned(),
        created_at: now as f64 / 1e9,
    };
    let shared = logs.clone();
    let work = move || {
        shared.store.delete(&tenant, &parsed.matchers, range, filter.as_deref())?;
        shared.deletions.add(&tenant, request);
        Ok::<_, StoreError>(())
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Err(StoreError::Filter(reason))) => Err(LokiError::bad(format!("{reason}\n"))),
        Ok(Err(error)) => Err(LokiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))),
        Err(_) => Err(LokiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the deletion was broken off\n")),
    }
}

pub(crate) async fn list(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant) -> Answer {
    let text = serde_json::to_string(&logs.deletions.of(&tenant)).unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// What has been deleted cannot be brought back.
pub(crate) async fn cancel(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant, params: Params) -> Response {
    let id = params.get("request_id");
    if !logs.deletions.of(&tenant).iter().any(|request| request.request_id == id) {
        return LokiError::bad("could not find delete request with given id\n").into_response();
    }
    LokiError::bad("deletion of request which is in process or already processed is not allowed\n").into_response()
}

/// `POST /flush`: what is in memory goes into blocks.
pub(crate) async fn flush(State(logs): State<Arc<Logs>>) -> Response {
    let shared = logs.clone();
    match tokio::task::spawn_blocking(move || shared.store.flush()).await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the flush was broken off\n").into_response(),
    }
}
