//! Who may ask: host names (against DNS rebinding), origins (against cross-site writes), and the CORS headers of Prometheus.
//!
//! The server has no login yet and listens on loopback only. What a web page elsewhere could do to it is therefore decided here:
//! - A page whose own name resolves to 127.0.0.1 sends its own name in `Host`: refused.
//! - A page that posts to us is refused unless it was served by us; queries sent by POST change nothing and are let through.
//! - Reading across origins follows Prometheus' `--web.cors.origin`, whose default allows every origin.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use regex::Regex;

use crate::state::Api;

/// POST endpoints that only read.
const READING_POSTS: [&str; 22] = [
    "/api/afferent/v1/explain",
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/format_query",
    "/api/v1/parse_query",
    "/api/v1/labels",
    "/api/v1/search/label_names",
    "/api/v1/search/label_values",
    "/api/v1/search/metric_names",
    "/api/v1/series",
    "/loki/api/v1/detected_fields",
    "/loki/api/v1/detected_labels",
    "/loki/api/v1/format_query",
    "/loki/api/v1/index/stats",
    "/loki/api/v1/index/volume",
    "/loki/api/v1/index/volume_range",
    "/loki/api/v1/labels",
    "/loki/api/v1/patterns",
    "/loki/api/v1/query",
    "/loki/api/v1/query_range",
    "/loki/api/v1/series",
];

/// Names under which the server answers, and origins that may read.
#[derive(Clone, Debug)]
pub struct DoorPolicy {
    /// Host names beside `localhost` and loopback addresses, in lower case.
    pub allowed_hosts: Vec<String>,
    /// Origins that may read; anchored. `None` for all of them.
    pub cors_origin: Option<Regex>,
}

impl DoorPolicy {
    /// `allowed_hosts` may hold names and addresses; `cors_origin` is a pattern for whole origins, where `.*` allows all.
    pub fn new(allowed_hosts: Vec<String>, cors_origin: &str) -> Result<Self, regex::Error> {
        let cors_origin = match cors_origin {
            ".*" => None,
            pattern => Some(Regex::new(&format!("^(?:{pattern})$"))?),
        };
        Ok(DoorPolicy { allowed_hosts: allowed_hosts.iter().map(|h| h.to_ascii_lowercase()).collect(), cors_origin })
    }

    /// True where a `Host` header names this machine's loopback or an allowed name.
    pub fn allows_host(&self, authority: &str) -> bool {
        let host = host_of(authority).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || host == "localhost" || host.ends_with(".localhost") || self.allowed_hosts.iter().any(|h| h == host)
    }
}

/// The host of `host:port`, `[v6]:port` or `host`.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match authority.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => authority,
    }
}

fn header_text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("\u{fffd}"))
}

/// Refuses foreign host names and cross-site writes.
pub(crate) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let authority = request.uri().authority().map(|a| a.as_str()).or_else(|| header_text(headers, header::HOST));
    if let Some(authority) = authority
        && !api.parts.doors.allows_host(authority)
    {
        let text = format!(
            "this server does not answer under the name {authority:?}: use localhost or 127.0.0.1, or start it with --web.allowed-host\n"
        );
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if writes && !READING_POSTS.contains(&request.uri().path()) && is_cross_site(headers, authority) {
        let text = "a page of another site may not change anything here\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}

/// True where a request names this machine's loopback and no proxy says that it passes it on.
pub(crate) fn is_from_here(request: &Request) -> bool {
    const PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];
    let headers = request.headers();
    let authority = request.uri().authority().map(|a| a.as_str()).or_else(|| header_text(headers, header::HOST));
    let nobody = DoorPolicy { allowed_hosts: Vec::new(), cors_origin: None };
    let by_loopback = authority.is_none_or(|authority| nobody.allows_host(authority));
    by_loopback && !PROXIES.iter().any(|name| headers.contains_key(*name))
}

/// True where a browser says that another site sends the request. Clients that are no browsers say nothing.
fn is_cross_site(headers: &HeaderMap, authority: Option<&str>) -> bool {
    if let Some(site) = header_text(headers, "sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = header_text(headers, header::ORIGIN) else { return false };
    let from = origin.split_once("://").map_or("", |(_, rest)| rest);
    authority.is_none_or(|authority| !authority.eq_ignore_ascii_case(from))
}

/// Prometheus' `SetCORS`, and its empty answer to preflight requests.
pub(crate) async fn cors(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return response };
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    match &api.parts.doors.cors_origin {
        None => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Some(pattern) if origin.to_str().is_ok_and(|o| pattern.is_match(o)) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        Some(_) => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let policy = DoorPolicy::new(vec!["Monitor.Example".into()], ".*").unwrap();
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "localhost.:9090",
            "app.localhost:1",
            "127.0.0.1:3000",
            "127.8.9.1",
            "[::1]:3000",
            "[::1]",
            "monitor.example:80",
        ] {
            assert!(policy.allows_host(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:3000", "10.0.0.1", "127.0.0.1.evil.example", "[fe80::1]"]
        {
            assert!(!policy.allows_host(host), "{host}");
        }
    }
}
