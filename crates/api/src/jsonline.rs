//! `POST /insert/jsonline`: an object of JSON a line, as VictoriaLogs takes it. What is wrong with a line takes away that line.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use tracing::debug;

use crate::json_lines::Reading;
use crate::log_intake::bodies::{self, failed};
use crate::log_state::{LogTenant, Logs};
use crate::loki_push::refused;
use crate::params::Params;

const PROTOCOL: &str = "jsonline";

pub(crate) async fn push(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let params = Params::parse([uri.query().unwrap_or("").as_bytes()]);
    let reading = Reading::new(&params, &headers, vec![("job".to_owned(), PROTOCOL.to_owned())]);
    let counters = &logs.intake.counters;
    let taken = bodies::take(&logs.intake, &tenant, &headers, body, |bytes, admission| {
        for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Err(reason) = reading.admit(line, admission) {
                admission.malformed(line.len(), || format!("line {number}: {reason}"));
            }
        }
    });
    match taken.await {
        Ok(refusals) if refusals.is_empty() => {
            counters.request(PROTOCOL, "stored");
            StatusCode::OK.into_response()
        }
        Ok(refusals) => {
            counters.request(PROTOCOL, "stored_in_part");
            let text = refusals.describe();
            debug!(%tenant, text, "lines refused");
            refused(&refusals, format!("{text}\n"))
        }
        Err(failure) => {
            counters.request(PROTOCOL, failure.outcome());
            failed(&failure)
        }
    }
}
