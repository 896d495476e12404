//! The body of a push, plain or in gzip, read whole and within limits.

use std::io::Read;

use axum::body::Body;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, StatusCode, header};
use thiserror::Error;

use super::RETRY_AFTER_S;
use super::body::{self, MAX_BYTES, ReadFault, Reserved};

/// Why there is no body to decode.
#[derive(Debug, Error)]
pub(crate) enum BodyFault {
    #[error(transparent)]
    Read(#[from] ReadFault),
    #[error("content encoding {0:?} is not accepted, only gzip and identity are")]
    Encoding(String),
    #[error("the request body is not valid gzip: {0}")]
    Gzip(std::io::Error),
}

impl BodyFault {
    /// The status to answer with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            BodyFault::Read(ReadFault::TooLarge | ReadFault::BeyondMemory(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyFault::Read(ReadFault::OverBudget) => StatusCode::SERVICE_UNAVAILABLE,
            BodyFault::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyFault::Read(ReadFault::Broken(_)) | BodyFault::Gzip(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The value of the `reason` label in counters.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            BodyFault::Read(ReadFault::TooLarge | ReadFault::BeyondMemory(_)) => "too_large",
            BodyFault::Read(ReadFault::OverBudget) => "over_budget",
            BodyFault::Encoding(_) => "unsupported",
            BodyFault::Read(ReadFault::Broken(_)) | BodyFault::Gzip(_) => "malformed",
        }
    }

    /// Seconds after which a new attempt makes sense.
    pub(crate) fn retry_after_s(&self) -> Option<u32> {
        matches!(self, BodyFault::Read(ReadFault::OverBudget)).then_some(RETRY_AFTER_S)
    }
}

/// Reads the whole body and unpacks it where `Content-Encoding` says gzip.
pub(crate) async fn read(headers: &HeaderMap, body: Body, reserved: &mut Reserved<'_>) -> Result<Vec<u8>, BodyFault> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|v| String::from_utf8_lossy(v.as_bytes()));
    let encoding = encoding.as_deref().unwrap_or("").trim().to_ascii_lowercase();
    let is_gzip = match encoding.as_str() {
        "" | "identity" => false,
        "gzip" | "x-gzip" => true,
        _ => return Err(BodyFault::Encoding(encoding)),
    };
    let bytes = body::read(body, reserved).await?;
    if is_gzip { unpack(&bytes, reserved) } else { Ok(bytes) }
}

fn unpack(packed: &[u8], reserved: &mut Reserved<'_>) -> Result<Vec<u8>, BodyFault> {
    const PIECE: usize = 256 << 10;
    let mut decoder = MultiGzDecoder::new(packed);
    let mut out = Vec::new();
    loop {
        let before = out.len();
        decoder.by_ref().take(PIECE as u64).read_to_end(&mut out).map_err(BodyFault::Gzip)?;
        let more = out.len() - before;
        if more == 0 {
            return Ok(out);
        }
        if out.len() > MAX_BYTES {
            return Err(ReadFault::TooLarge.into());
        }
        reserved.add(more)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::ingest::body::Account;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn read_as(encoding: &str, bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, BodyFault> {
        let account = Account::new(limit, None);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        read(&headers, Body::from(bytes), &mut account.open()).await
    }

    #[tokio::test]
    async fn plain_and_packed() {
        assert_eq!(read_as("", b"abc".to_vec(), 3).await.unwrap(), b"abc");
        assert_eq!(read_as("GZIP", gzip(b"abc"), 100).await.unwrap(), b"abc");
        let two = [gzip(b"abc"), gzip(b"def")].concat();
        assert_eq!(read_as("gzip", two, 200).await.unwrap(), b"abcdef");
    }

    #[tokio::test]
    async fn limits_hold() {
        assert!(matches!(
            read_as("", vec![0; MAX_BYTES + 1], u64::MAX).await,
            Err(BodyFault::Read(ReadFault::TooLarge))
        ));
        let bomb = gzip(&vec![0; MAX_BYTES + 1]);
        assert!(matches!(read_as("gzip", bomb.clone(), u64::MAX).await, Err(BodyFault::Read(ReadFault::TooLarge))));
        assert!(matches!(read_as("gzip", bomb, 1 << 20).await, Err(BodyFault::Read(ReadFault::BeyondMemory(_)))));
        assert!(matches!(read_as("br", vec![1], 100).await, Err(BodyFault::Encoding(_))));
        let mut torn = gzip(b"some text that is long enough");
        torn.truncate(torn.len() - 9);
        assert!(matches!(read_as("gzip", torn, 1000).await, Err(BodyFault::Gzip(_))));
    }
}
