//! `logproto.PushRequest` in protocol buffers, walked without decoding it into structures of its own.

use std::borrow::Cow;

use crate::log_intake::admission::{Admission, Stream, metadata_name};
use crate::log_intake::refusals::Reason;
use crate::remote_write::wire::{Reader, Value, WireError};

/// Admits a message; answers the number of its streams. A message that is broken is an error before anything of it was admitted.
pub(super) fn admit(message: &[u8], admission: &mut Admission<'_>) -> Result<usize, WireError> {
    check(message)?;
    admission.expect(message.len());
    let mut streams = 0;
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        if let (1, Value::Bytes(stream)) = (field, value) {
            streams += 1;
            admit_stream(stream, admission)?;
        }
    }
    Ok(streams)
}

/// Walks all that will be read, so that half a message stores nothing.
fn check(message: &[u8]) -> Result<(), WireError> {
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        let (1, Value::Bytes(stream)) = (field, value) else { continue };
        let mut reader = Reader::new(stream);
        while let Some((field, value)) = reader.field()? {
            let (2, Value::Bytes(entry)) = (field, value) else { continue };
            let mut reader = Reader::new(entry);
            while let Some((field, value)) = reader.field()? {
                if let (1 | 3, Value::Bytes(inner)) = (field, value) {
                    let mut reader = Reader::new(inner);
                    while reader.field()?.is_some() {}
                }
            }
        }
    }
    Ok(())
}

fn admit_stream(message: &[u8], admission: &mut Admission<'_>) -> Result<(), WireError> {
    let mut labels = &b""[..];
    let mut has_entries = false;
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Bytes(bytes)) => labels = bytes,
            (2, _) => has_entries = true,
            _ => {}
        }
    }
    if !has_entries {
        return Ok(());
    }
    let mut stream = match std::str::from_utf8(labels) {
        Ok(labels) => admission.stream_named(labels),
        Err(error) => {
            admission.refusals.refuse_stream(Reason::InvalidLabels, || format!("couldn't parse labels: {error}"));
            None
        }
    };
    let mut pairs = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        if let (2, Value::Bytes(entry)) = (field, value) {
            admit_entry(entry, stream.as_mut(), admission, &mut pairs)?;
        }
    }
    Ok(())
}

fn admit_entry<'m>(
    message: &'m [u8],
    stream: Option<&mut Stream>,
    admission: &mut Admission<'_>,
    pairs: &mut Vec<(Cow<'m, str>, Cow<'m, str>)>,
) -> Result<(), WireError> {
    let (mut seconds, mut nanos, mut line) = (0_i64, 0_i64, &b""[..]);
    pairs.clear();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Bytes(time)) => {
                let mut reader = Reader::new(time);
                while let Some((field, value)) = reader.field()? {
                    match (field, value) {
                        (1, Value::Varint(value)) => seconds = value as i64,
                        (2, Value::Varint(value)) => nanos = i64::from(value as i32),
                        _ => {}
                    }
                }
            }
            (2, Value::Bytes(bytes)) => line = bytes,
            (3, Value::Bytes(pair)) => pairs.push(metadata(pair)?),
            _ => {}
        }
    }
    let Some(stream) = stream else {
        admission.lost(line.len());
        return Ok(());
    };
    let time = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    if pairs.is_empty() {
        admission.entry(stream, time, line, &[]);
        return Ok(());
    }
    let metadata: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    admission.entry(stream, time, line, &metadata);
    Ok(())
}

fn metadata(message: &[u8]) -> Result<(Cow<'_, str>, Cow<'_, str>), WireError> {
    let (mut name, mut value) = (Cow::Borrowed(""), Cow::Borrowed(""));
    let mut reader = Reader::new(message);
    while let Some((field, content)) = reader.field()? {
        match (field, content) {
            (1, Value::Bytes(bytes)) => name = String::from_utf8_lossy(bytes),
            (2, Value::Bytes(bytes)) => value = String::from_utf8_lossy(bytes),
            _ => {}
        }
    }
    let name = match name {
        Cow::Borrowed(name) => metadata_name(name),
        Cow::Owned(name) => Cow::Owned(metadata_name(&name).into_owned()),
    };
    Ok((name, value))
}
