//! The catalogue's file: one JSON object whose checksum covers the format and the bytes of the manifest.
//!
//! ```text
//! {"catalogue":1,"crc32":"89abcdef","manifest":{...}}
//! ```
//!
//! The frame around the manifest is fixed text, so that the checksum is over the very bytes that were written.

use std::io;

use crate::catalogue::Manifest;

const FORMAT: u32 = 1;
const HEAD: &str = "{\"catalogue\":";
const CRC: &str = ",\"crc32\":\"";
const BODY: &str = "\",\"manifest\":";
const TAIL: &str = "}\n";

/// What the bytes of a catalogue hold.
#[derive(Debug)]
pub(super) enum Decoded {
    /// A whole manifest.
    Good(Manifest),
    /// Written whole by a version of Afferent that we do not know.
    Foreign(u32),
    /// Not what was written; why.
    Damaged(String),
}

fn checksum(format: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&format.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The bytes of a manifest.
pub(super) fn encode(manifest: &Manifest) -> io::Result<Vec<u8>> {
    let body = serde_json::to_string(manifest)?;
    let crc = checksum(FORMAT, body.as_bytes());
    Ok(format!("{HEAD}{FORMAT}{CRC}{crc:08x}{BODY}{body}{TAIL}").into_bytes())
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let Some((format, crc, body)) = split(bytes) else {
        return Decoded::Damaged("it is cut or is no catalogue".to_owned());
    };
    if crc != format!("{:08x}", checksum(format, body.as_bytes())) {
        return Decoded::Damaged("its checksum is wrong".to_owned());
    }
    if format != FORMAT {
        return Decoded::Foreign(format);
    }
    match serde_json::from_str(body) {
        Ok(manifest) => Decoded::Good(manifest),
        Err(error) => Decoded::Damaged(error.to_string()),
    }
}

fn split(bytes: &[u8]) -> Option<(u32, &str, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (format, rest) = text.strip_prefix(HEAD)?.split_once(CRC)?;
    let (crc, rest) = rest.split_once(BODY)?;
    let body = rest.strip_suffix(TAIL)?;
    Some((format.parse().ok()?, crc, body))
}
