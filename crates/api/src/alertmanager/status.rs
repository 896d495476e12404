//! `/api/v2/status` and `/api/v2/receivers`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Shared, time_text};

/// The Alertmanager whose behaviour this is.
const COMPATIBLE: &str = "0.33.0";

pub(super) async fn status(State(alerting): Shared) -> Response {
    let working = alerting.working();
    let answer = json!({
        "cluster": {"name": "", "peers": [], "status": "disabled"},
        "config": {"original": working.file().original},
        "uptime": time_text(alerting.started_at()),
        "versionInfo": {
            "branch": "",
            "buildDate": "",
            "buildUser": "afferent",
            "goVersion": "",
            "revision": crate::REVISION,
            "version": COMPATIBLE,
        },
    });
    Json(answer).into_response()
}

pub(super) async fn receivers(State(alerting): Shared) -> Response {
    let working = alerting.working();
    let names = working.setup().receiver_names.iter().map(|name| json!({"name": &**name}));
    Json(names.collect::<Vec<_>>()).into_response()
}
