//! Which message a request claims to hold, from its headers.

use http::{HeaderMap, header};
use thiserror::Error;

const MEDIA_TYPE: &str = "application/x-protobuf";
const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

/// The message of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Version {
    V1,
    V2,
}

impl Version {
    pub(super) fn message(self) -> &'static str {
        match self {
            Version::V1 => V1,
            Version::V2 => V2,
        }
    }
}

/// Why a request is answered with 415.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Unsupported {
    #[error("{0} encoding (compression) is not accepted by this server; only snappy is acceptable")]
    Encoding(String),
    #[error("expected {MEDIA_TYPE} as the first (media) part, got {0} content-type")]
    MediaType(String),
    #[error("unknown type for remote write protobuf message {0}, supported: {V1}, {V2}")]
    Message(String),
}

/// Reads both headers. Absent ones mean what 1.0 always was: snappy and `prometheus.WriteRequest`.
pub(super) fn negotiate(headers: &HeaderMap) -> Result<Version, Unsupported> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    let version = match text(header::CONTENT_TYPE) {
        Some(content_type) if !content_type.is_empty() => message_of(&content_type)?,
        _ => Version::V1,
    };
    match text(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") => {
            Err(Unsupported::Encoding(encoding))
        }
        _ => Ok(version),
    }
}

fn message_of(content_type: &str) -> Result<Version, Unsupported> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case(MEDIA_TYPE)) {
        return Err(Unsupported::MediaType(content_type.to_owned()));
    }
    for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        if name.trim().eq_ignore_ascii_case("proto") {
            return match value.trim().trim_matches('"') {
                V1 => Ok(Version::V1),
                V2 => Ok(Version::V2),
                other => Err(Unsupported::Message(other.to_owned())),
            };
        }
    }
    Ok(Version::V1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (content_type, version) in [
            ("", Version::V1),
            ("application/x-protobuf", Version::V1),
            ("application/x-protobuf;proto=prometheus.WriteRequest", Version::V1),
            ("application/x-protobuf;proto=io.prometheus.write.v2.Request", Version::V2),
            ("Application/X-Protobuf; charset=utf-8; proto=\"io.prometheus.write.v2.Request\"", Version::V2),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            assert_eq!(negotiate(&headers), Ok(version), "{content_type}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Ok(Version::V1));
    }

    #[test]
    fn what_is_not_supported() {
        for (content_type, encoding, text) in [
            ("application/json", "snappy", "got application/json content-type"),
            ("text/plain;proto=prometheus.WriteRequest", "snappy", "expected application/x-protobuf"),
            (
                "application/x-protobuf;proto=io.prometheus.write.v3.Request",
                "snappy",
                "io.prometheus.write.v3.Request, sup",
            ),
            ("application/x-protobuf", "zstd", "zstd encoding (compression) is not accepted"),
            ("application/x-protobuf", "gzip", "only snappy is acceptable"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            let error = negotiate(&headers).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
