//! From the bytes of a body to the request: weighed, and decoded.
//!
//! A few bytes of a message can stand for a structure of hundreds, so a request is weighed before it is decoded, and that
//! weight counts against the memory of requests under way.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use thiserror::Error;

use super::{json, weight};
use crate::ingest::body::{ReadFault, Reserved};
pub(super) use crate::ingest::unpack::Packing;
use crate::ingest::unpack::UnpackFault;
use crate::remote_write::wire::WireError;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// Why bytes are no request.
#[derive(Debug, Error)]
pub(super) enum MessageFault {
    #[error(transparent)]
    Read(#[from] ReadFault),
    #[error(transparent)]
    Unpack(#[from] UnpackFault),
    #[error("malformed export request: {0}")]
    Wire(#[from] WireError),
    #[error("malformed export request: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("malformed export request: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the message would take {0} bytes of memory, more than all requests together may")]
    TooHeavy(u64),
}

/// Decodes a message; `most` is the weight that no message may have, in bytes.
pub(super) fn decode(
    bytes: &[u8],
    encoding: Encoding,
    reserved: &mut Reserved<'_>,
    most: u64,
) -> Result<Vec<ResourceMetrics>, MessageFault> {
    let weight = match encoding {
        Encoding::Protobuf => weight::metrics(bytes)?,
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

    #[test]
    fn bombs() {
        let account = Account::new(1 << 30, None);
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
