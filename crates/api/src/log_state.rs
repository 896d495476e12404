//! What the handlers of logs share: the parts that the binary assembled, and whose request it is.

use std::sync::Arc;
use std::time::Duration;

use ::logs::Store;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts as RequestParts;
use model::{LogSource, MemoryPool, Tenant};

use crate::doors::DoorPolicy;
use crate::gate::Gate;
use crate::log_intake::{LogIntake, SharedLokiConfig, TailingSink};
use crate::log_search::saved::SavedSearches;
use crate::loki::delete::Deletions;
use crate::loki::tail::Tails;
use crate::queries::ActiveQueries;
use crate::tenant::TENANT_HEADER;

/// What the binary hands over for logs.
pub struct LogParts {
    /// Where entries are read.
    pub store: Arc<Store>,
    /// Where all entries go in: the store, behind what live tails hear of.
    pub sink: Arc<TailingSink>,
    /// Loki's configuration in force.
    pub config: SharedLokiConfig,
}

/// The state behind the routes of logs.
pub(crate) struct Logs {
    pub(crate) intake: Arc<LogIntake>,
    pub(crate) store: Arc<Store>,
    pub(crate) source: Arc<dyn LogSource>,
    pub(crate) sink: Arc<TailingSink>,
    pub(crate) deletions: Deletions,
    pub(crate) saved: SavedSearches,
    pub(crate) engine: logql::Engine,
    /// The list and the queue of queries, shared with metrics.
    pub(crate) active_queries: Arc<ActiveQueries>,
    pub(crate) queries: Arc<Gate>,
    pub(crate) tails: Tails,
    /// Who may ask, by name and origin.
    pub(crate) doors: DoorPolicy,
    /// Shared with the look-ups of metrics.
    pub(crate) lookups: Arc<Gate>,
    pub(crate) memory: Arc<MemoryPool>,
    /// Time that a look-up may take.
    pub(crate) timeout: Duration,
}

/// Whose logs a request is about: as `auth_enabled` says, the one that the header names or the default tenant.
pub(crate) struct LogTenant(pub(crate) Tenant);

impl FromRequestParts<Arc<Logs>> for LogTenant {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut RequestParts, logs: &Arc<Logs>) -> Result<Self, Response> {
        let named =
            parts.headers.get(TENANT_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        match (logs.intake.config().auth_enabled, named) {
            (Some(false), _) | (None, None) => Ok(LogTenant(Tenant::default())),
            (Some(true), None) => Err((StatusCode::UNAUTHORIZED, "no org id\n").into_response()),
            (_, Some(name)) => match Tenant::new(&name) {
                Ok(tenant) => Ok(LogTenant(tenant)),
                Err(reason) => Err((StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response()),
            },
        }
    }
}
