//! Reading an answer while counting its bytes: a body that is too large is cut off, not collected.

use std::io::Write;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::Response;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::FetchError;

/// How large a body may be once it is unpacked.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    /// A body of this many bytes is already too large, as in Prometheus.
    pub bytes: u64,
}

/// Reads the whole body, unpacked if it is gzip. `hint` is how large it is likely to be.
pub async fn read_body(response: Response<Incoming>, limit: BodyLimit, hint: usize) -> Result<Vec<u8>, FetchError> {
    let is_gzip = response.headers().get(CONTENT_ENCODING).is_some_and(|v| v.as_bytes() == b"gzip");
    let out = Limited { bytes: Vec::with_capacity(hint.min(16 << 20)), limit: limit.bytes };
    let mut body = response.into_body();
    if !is_gzip {
        let mut out = out;
        while let Some(chunk) = next_chunk(&mut body).await? {
            out.write_all(&chunk).map_err(|_| FetchError::BodySizeLimit)?;
        }
        return Ok(out.bytes);
    }
    let mut unpacker = MultiGzDecoder::new(out);
    let mut received = 0_usize;
    while let Some(chunk) = next_chunk(&mut body).await? {
        received += chunk.len();
        if let Err(error) = unpacker.write_all(&chunk) {
            return Err(unpack_error(&error, unpacker.get_ref()));
        }
    }
    if received == 0 {
        return Err(FetchError::Body("EOF".into()));
    }
    if let Err(error) = unpacker.try_finish() {
        return Err(unpack_error(&error, unpacker.get_ref()));
    }
    Ok(std::mem::take(&mut unpacker.get_mut().bytes))
}

async fn next_chunk(body: &mut Incoming) -> Result<Option<Bytes>, FetchError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => return Err(FetchError::Body(read_error(&error))),
        }
    }
}

fn read_error(error: &hyper::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(io) => io_text(io),
        None if error.is_incomplete_message() => "unexpected EOF".into(),
        None => cause.to_string(),
    }
}

fn unpack_error(error: &std::io::Error, out: &Limited) -> FetchError {
    if out.is_full() {
        return FetchError::BodySizeLimit;
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FetchError::Body("unexpected EOF".into()),
        _ => FetchError::Body(format!("gzip: {}", error.to_string().replace("gzip header", "header"))),
    }
}

/// What the operating system says, without its error number.
pub(crate) fn io_text(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return "unexpected EOF".into();
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// A buffer that refuses to grow to its limit.
struct Limited {
    bytes: Vec<u8>,
    limit: u64,
}

impl Limited {
    fn is_full(&self) -> bool {
        self.bytes.len() as u64 >= self.limit
    }
}

impl Write for Limited {
    fn write(&mut self, chunk: &[u8]) -> std::io::Result<usize> {
        let room = self.limit.saturating_sub(self.bytes.len() as u64);
        let taken = chunk.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.bytes.extend_from_slice(&chunk[..taken]);
        if self.is_full() {
            return Err(std::io::Error::other("body size limit exceeded"));
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
