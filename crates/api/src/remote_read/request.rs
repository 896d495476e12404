//! `prometheus.ReadRequest` (`prompb/remote.proto`), and which kind of answer it accepts.

use model::{MatchOp, Matcher, TimeRange};
use thiserror::Error;

use crate::remote_write::wire::{Reader, Value, WireError, each_varint};

/// Queries and matchers of one request; a query costs its sender a few bytes.
const MAX_QUERIES: usize = 1000;
const MAX_MATCHERS: usize = 10_000;
const SAMPLES: u64 = 0;
const STREAMED_XOR_CHUNKS: u64 = 1;

/// Why a request is refused.
#[derive(Debug, Error)]
pub(super) enum RequestFault {
    #[error("malformed prometheus.ReadRequest: {0}")]
    Wire(#[from] WireError),
    #[error("malformed prometheus.ReadRequest: a label matcher is not valid UTF-8")]
    NotUtf8,
    #[error("invalid matcher type {0}")]
    MatcherType(u64),
    #[error(transparent)]
    Matcher(#[from] model::MatcherError),
    #[error("more than {MAX_QUERIES} queries or {MAX_MATCHERS} matchers in one request")]
    TooMany,
    #[error(
        "server does not support any of the requested response types: {0:?}; supported: map[SAMPLES:{{}} STREAMED_XOR_CHUNKS:{{}}]"
    )]
    ResponseType(Vec<u64>),
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseType {
    Samples,
    StreamedXorChunks,
}

/// One query; hints are advice that is not needed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) range: TimeRange,
    pub(super) matchers: Vec<Matcher>,
}

/// A whole request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadRequest {
    pub(super) queries: Vec<Query>,
    pub(super) response_type: ResponseType,
}

/// Reads a message.
pub(super) fn read(message: &[u8]) -> Result<ReadRequest, RequestFault> {
    let (mut queries, mut accepted) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(message);
    let mut matchers = 0;
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Value::Bytes(message)) => {
                let query = query(message)?;
                matchers += query.matchers.len();
                queries.push(query);
                if queries.len() > MAX_QUERIES || matchers > MAX_MATCHERS {
                    return Err(RequestFault::TooMany);
                }
            }
            (2, value) => each_varint(number, value, |kind| accepted.push(kind))?,
            (1, _) => return Err(WireError::FieldType(number).into()),
            _ => {}
        }
    }
    Ok(ReadRequest { queries, response_type: negotiate(accepted)? })
}

/// The first type that there is; samples where nothing is said.
fn negotiate(accepted: Vec<u64>) -> Result<ResponseType, RequestFault> {
    if accepted.is_empty() {
        return Ok(ResponseType::Samples);
    }
    let known = accepted.iter().find_map(|kind| match *kind {
        SAMPLES => Some(ResponseType::Samples),
        STREAMED_XOR_CHUNKS => Some(ResponseType::StreamedXorChunks),
        _ => None,
    });
    known.ok_or(RequestFault::ResponseType(accepted))
}

fn query(message: &[u8]) -> Result<Query, RequestFault> {
    let (mut start, mut end, mut matchers) = (0, 0, Vec::new());
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Value::Varint(v)) => start = v as i64,
            (2, Value::Varint(v)) => end = v as i64,
            (3, Value::Bytes(message)) if matchers.len() < MAX_MATCHERS => matchers.push(matcher(message)?),
            (3, Value::Bytes(_)) => return Err(RequestFault::TooMany),
            (1..=3, _) => return Err(WireError::FieldType(number).into()),
            _ => {}
        }
    }
    Ok(Query { range: TimeRange::new(start, end), matchers })
}

fn matcher(message: &[u8]) -> Result<Matcher, RequestFault> {
    let (mut op, mut name, mut text): (u64, &[u8], &[u8]) = (0, &[], &[]);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Value::Varint(v)) => op = v,
            (2, Value::Bytes(v)) => name = v,
            (3, Value::Bytes(v)) => text = v,
            (1..=3, _) => return Err(WireError::FieldType(number).into()),
            _ => {}
        }
    }
    let op = match op {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        other => return Err(RequestFault::MatcherType(other)),
    };
    let utf8 = |bytes| std::str::from_utf8(bytes).map_err(|_| RequestFault::NotUtf8);
    Ok(Matcher::new(utf8(name)?, op, utf8(text)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf_out as protobuf;

    fn message(accepted: &[i64], op: i64, pattern: &str) -> Vec<u8> {
        let mut out = Vec::new();
        protobuf::message(&mut out, 1, |out| {
            protobuf::int(out, 1, -5);
            protobuf::int(out, 2, 7);
            protobuf::message(out, 3, |out| {
                protobuf::int(out, 1, op);
                protobuf::bytes(out, 2, b"a");
                protobuf::bytes(out, 3, pattern.as_bytes());
            });
            protobuf::message(out, 4, |out| protobuf::int(out, 1, 9));
        });
        accepted.iter().for_each(|kind| protobuf::int(&mut out, 2, *kind));
        out
    }

    #[test]
    fn requests_are_read() {
        for (accepted, expected) in [
            (&[] as &[i64], ResponseType::Samples),
            (&[0], ResponseType::Samples),
            (&[1, 0], ResponseType::StreamedXorChunks),
            (&[7, 1], ResponseType::StreamedXorChunks),
        ] {
            let request = read(&message(accepted, 2, "x|y")).unwrap();
            assert_eq!(request.response_type, expected);
            assert_eq!(request.queries[0].range, TimeRange::new(-5, 7));
            assert_eq!(request.queries[0].matchers[0].to_string(), "a=~\"x|y\"");
        }
        assert_eq!(read(&[]).unwrap().queries, []);
    }

    #[test]
    fn faults_are_told() {
        for (message, text) in [
            (message(&[7], 0, ""), "server does not support any of the requested response types: [7]; supported: map["),
            (message(&[], 9, ""), "invalid matcher type 9"),
            (message(&[], 2, "("), "invalid regular expression"),
            (vec![0x0a, 9], "malformed prometheus.ReadRequest: "),
        ] {
            let fault = read(&message).unwrap_err().to_string();
            assert!(fault.starts_with(text), "{fault}");
        }
    }
}
