//! The web application, embedded into the binary: hashed assets are cached for ever, every other path is the page itself.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::errors::{ApiError, ErrorKind};

const INDEX: &str = "index.html";
/// Folder whose file names change with their content.
const HASHED: &str = "assets/";
const NOT_BUILT: &str =
    "The web application is not part of this binary: `make run` builds it. The API is at /api/v1.\n";

/// The page runs its own scripts only; editors and popovers write inline styles.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Dist;

/// Paths that belong to APIs, those still to be built among them: an unknown one is an error, never the page, because a
/// federating server or a health check would take a page for success.
fn is_api_path(path: &str) -> bool {
    const FOLDERS: [&str; 10] =
        ["api", "-", "loki", "exporters", "federate", "health", "metrics", "performance", "costs", "business"];
    FOLDERS.contains(&path.trim_start_matches('/').split('/').next().unwrap_or_default())
}

/// Serves what no other route has taken.
pub(crate) async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    if is_api_path(path) {
        return ApiError::new(ErrorKind::NotFound, format!("there is no endpoint {path}")).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "Method Not Allowed\n")
            .into_response();
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Dist::get(name) {
        return serve(name, file, request.headers());
    }
    // A missing asset must not be answered with a page: the browser would take it for a script.
    if name.starts_with(HASHED) {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    }
    page(request.headers())
}

/// The application's page.
pub(crate) fn page(headers: &HeaderMap) -> Response {
    match Dist::get(INDEX) {
        Some(file) => serve(INDEX, file, headers),
        None => (StatusCode::NOT_FOUND, NOT_BUILT).into_response(),
    }
}

/// The root page of Prometheus' port leads where Prometheus' own does; the application knows that page's parameters.
pub(crate) async fn prometheus_root() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "/query")]).into_response()
}

fn serve(name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let etag = etag(&file);
    let caching = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let unchanged = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let content_type = HeaderValue::from_str(file.metadata.mimetype());
        let mut response = file.data.into_response();
        let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).expect("an ETag is hexadecimal"));
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("x-frame-options"), "SAMEORIGIN"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}
