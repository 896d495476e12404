//! From the bytes of a body to the request: unpacked within the memory account, weighed, and decoded.
//!
//! A few bytes of a message can stand for a structure of hundreds, so a request is weighed before it is decoded, and that
//! weight counts against the memory of requests under way.

use std::io::Read;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use thiserror::Error;

use super::{json, weight};
use crate::ingest::body::{MAX_BYTES, ReadFault, Reserved};
use crate::remote_write::wire::WireError;

/// Bytes that are unpacked at a time.
const STEP_BYTES: usize = 64 << 10;
/// Largest window of zstd, as a power of two: 8 MiB, the most that its specification asks of decoders.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// By its name in `Content-Encoding` or `grpc-encoding`.
    pub(super) fn named(name: &str) -> Option<Packing> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => Some(Packing::None),
            "gzip" => Some(Packing::Gzip),
            "zstd" => Some(Packing::Zstd),
            _ => None,
        }
    }
}

/// Why bytes are no request.
#[derive(Debug, Error)]
pub(super) enum MessageFault {
    #[error(transparent)]
    Read(#[from] ReadFault),
    #[error("the body is not {0}: {1}")]
    Unpack(&'static str, std::io::Error),
    #[error("unpacked size exceeds the {MAX_BYTES} bytes limit")]
    UnpackedTooLarge,
    #[error("malformed ExportMetricsServiceRequest: {0}")]
    Wire(#[from] WireError),
    #[error("malformed ExportMetricsServiceRequest: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("malformed ExportMetricsServiceRequest: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the message would take {0} bytes of memory, more than all requests together may")]
    TooHeavy(u64),
}

/// Unpacks a body.
pub(super) fn unpack(packed: Vec<u8>, packing: Packing, reserved: &mut Reserved<'_>) -> Result<Vec<u8>, MessageFault> {
    match packing {
        Packing::None => Ok(packed),
        Packing::Gzip => read_all("gzip", flate2::read::MultiGzDecoder::new(packed.as_slice()), reserved),
        Packing::Zstd => {
            let not_zstd = |error| MessageFault::Unpack("zstd", error);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed.as_slice()).map_err(not_zstd)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(not_zstd)?;
            read_all("zstd", decoder, reserved)
        }
    }
}

fn read_all(name: &'static str, mut from: impl Read, reserved: &mut Reserved<'_>) -> Result<Vec<u8>, MessageFault> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        let step = from.by_ref().take(STEP_BYTES as u64).read_to_end(&mut bytes);
        let read = step.map_err(|error| MessageFault::Unpack(name, error))?;
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() > MAX_BYTES {
            return Err(MessageFault::UnpackedTooLarge);
        }
        reserved.add(bytes.len() - before)?;
    }
}

/// Decodes a message; `most` is the weight that no message may have, in bytes.
pub(super) fn decode(
    bytes: &[u8],
    encoding: Encoding,
    reserved: &mut Reserved<'_>,
    most: u64,
) -> Result<Vec<ResourceMetrics>, MessageFault> {
    let weight = match encoding {
        Encoding::Protobuf => weight::protobuf(bytes)?,
        Encoding::Json => weight::json(bytes),
    };
    if weight > most {
        return Err(MessageFault::TooHeavy(weight));
    }
    reserved.add(weight as usize)?;
    Ok(match encoding {
        Encoding::Protobuf => ExportMetricsServiceRequest::decode(bytes)?.resource_metrics,
        Encoding::Json => json::decode(bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::body::Account;
    use std::io::Write;

    #[test]
    fn packed_bodies() {
        let account = Account::new(1 << 30, None);
        let mut reserved = account.open();
        let text = b"hello hello hello".to_vec();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
        for (packed, packing) in
            [(text.clone(), Packing::None), (gzip.clone(), Packing::Gzip), (zstd.clone(), Packing::Zstd)]
        {
            assert_eq!(unpack(packed, packing, &mut reserved).unwrap(), text, "{packing:?}");
        }
        for (packed, packing) in [
            (text, Packing::Gzip),
            (gzip[..gzip.len() - 3].to_vec(), Packing::Gzip),
            (zstd[..zstd.len() - 3].to_vec(), Packing::Zstd),
        ] {
            let fault = unpack(packed, packing, &mut reserved).unwrap_err();
            assert!(matches!(fault, MessageFault::Unpack(..)), "{fault}");
        }
    }

    #[test]
    fn bombs() {
        let zeros = zstd::encode_all(std::io::repeat(0).take(64 << 20), 3).unwrap();
        let account = Account::new(1 << 30, None);
        let fault = unpack(zeros.clone(), Packing::Zstd, &mut account.open()).unwrap_err();
        assert!(matches!(fault, MessageFault::UnpackedTooLarge));
        let small = Account::new(1 << 20, None);
        let fault = unpack(zeros, Packing::Zstd, &mut small.open()).unwrap_err();
        assert!(matches!(fault, MessageFault::Read(ReadFault::OverBudget)));
        // Metrics without anything: two bytes each, hundreds decoded.
        let metrics = [0x12, 0].repeat(1 << 20);
        let scope = [&[0x12][..], &varint(metrics.len()), &metrics].concat();
        let request = [&[0x0a][..], &varint(scope.len()), &scope].concat();
        let fault = decode(&request, Encoding::Protobuf, &mut account.open(), 64 << 20).unwrap_err();
        assert!(matches!(fault, MessageFault::TooHeavy(_)), "{fault}");
    }

    fn varint(mut n: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
        out
    }
}
