//! Who is at the other end of a connection.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::{FromRequestParts, OriginalUri};
use http::header;
use http::request::Parts;

/// Bytes of a header that are kept.
const MAX_HEADER: usize = 200;

/// The address of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) SocketAddr);

/// Who sends a request, as far as it can be known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// The other end of the connection, often a proxy.
    pub(crate) address: Option<SocketAddr>,
    /// `X-Forwarded-For`, which anybody can make up.
    pub(crate) forwarded_for: Option<String>,
    /// `User-Agent`.
    pub(crate) user_agent: Option<String>,
    /// Method and path of the request.
    pub(crate) method: String,
    pub(crate) path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let text = |value: &http::HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text[..text.floor_char_boundary(MAX_HEADER)].to_owned()
        };
        // A nested router takes the prefix off.
        let original = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
        Ok(Client {
            address: parts.extensions.get::<ClientAddress>().map(|address| address.0),
            forwarded_for: parts.headers.get("x-forwarded-for").map(text),
            user_agent: parts.headers.get(header::USER_AGENT).map(text),
            method: parts.method.to_string(),
            path: original.path().to_owned(),
        })
    }
}
