//! The tenant of a request, named by the header `X-Scope-OrgID`.

use axum::extract::FromRequestParts;
use http::request::Parts;
use model::Tenant;

use crate::errors::ApiError;

/// The header of Loki and Mimir.
pub const TENANT_HEADER: &str = "x-scope-orgid";

/// Whose data a request is about; the default tenant where none is named.
#[derive(Clone, Debug)]
pub struct RequestTenant(pub Tenant);

impl<S: Send + Sync> FromRequestParts<S> for RequestTenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(TENANT_HEADER) else { return Ok(RequestTenant(Tenant::default())) };
        let name = String::from_utf8_lossy(value.as_bytes());
        Tenant::new(&name).map(RequestTenant).map_err(|e| ApiError::bad_data(e.to_string()))
    }
}
